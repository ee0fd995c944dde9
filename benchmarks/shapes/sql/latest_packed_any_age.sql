-- One ASOF join by one number (see latest_packed_once), kept where the key is the same.
WITH
  e AS (
    SELECT (id << 44) | (epoch_us(ts) - 1700000000000000) AS p, $features FROM $events JOIN ids USING ($keys)
  ),
  latest AS (SELECT s.r, $features FROM packed_spine s ASOF JOIN e ON s.p >= e.p WHERE e.p >> 44 = s.p >> 44)
SELECT $features FROM packed_spine s LEFT JOIN latest USING (r) ORDER BY s.r
