-- One ASOF join by one number (see latest_packed_once).
WITH
  e AS (
    SELECT (id << 44) | (epoch_us(ts) - 1700000000000000) AS p, $features FROM $events JOIN ids USING ($keys)
  ),
  latest AS (SELECT s.r, $features FROM packed_spine s ASOF JOIN e ON s.p >= e.p WHERE e.p >= s.p - $ttl)
SELECT $features FROM packed_spine s LEFT JOIN latest USING (r) ORDER BY s.r
