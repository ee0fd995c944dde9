-- Each row goes into the two buckets, of the length of the ttl, that can hold its match; the latest time wins.
WITH
  s AS MATERIALIZED (SELECT row_number() OVER () AS r, $keys, epoch_us(event_timestamp) AS t FROM spine),
  asked AS (
    SELECT r, $keys, t, t // ($ttl + 1) AS bucket FROM s
    UNION ALL
    SELECT r, $keys, t, t // ($ttl + 1) - 1 AS bucket FROM s
  ),
  e AS NOT MATERIALIZED (SELECT $keys, epoch_us(ts) AS ts, $features FROM $events),
  latest AS (
    SELECT r, $any_keys, max(ts) AS ts
    FROM asked JOIN (SELECT $keys, ts, ts // ($ttl + 1) AS bucket FROM e) USING ($keys, bucket)
    WHERE ts <= t AND ts >= t - $ttl
    GROUP BY r
  )
SELECT $features
FROM s LEFT JOIN (SELECT r, $features FROM latest JOIN e USING ($keys, ts)) USING (r)
ORDER BY r
