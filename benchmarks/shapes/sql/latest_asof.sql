-- DuckDB's ASOF join on keys and time alone, the ttl after it, then the features of what matched.
WITH
  s AS MATERIALIZED (SELECT row_number() OVER () AS r, $keys, epoch_us(event_timestamp) AS t FROM spine),
  e AS NOT MATERIALIZED (SELECT $keys, epoch_us(ts) AS ts, $features FROM $events),
  latest AS (
    SELECT s.*, e.ts FROM s ASOF JOIN (SELECT $keys, ts FROM e) e ON $same_keys AND s.t >= e.ts
    WHERE e.ts >= s.t - $ttl
  )
SELECT $features
FROM s LEFT JOIN (SELECT r, $features FROM latest JOIN e USING ($keys, ts)) USING (r)
ORDER BY r
