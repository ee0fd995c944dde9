-- Join on the key and the time; the greatest struct of time and features wins, and its features are taken from it.
WITH
  s AS (SELECT r, $keys, unix_micros(CAST(event_timestamp AS TIMESTAMP)) AS t FROM spine),
  e AS (SELECT $keys, unix_micros(CAST(ts AS TIMESTAMP)) AS ts, $features FROM $events),
  latest AS (
    SELECT r, max(struct(ts, $features)) AS p FROM s JOIN e USING ($keys)
    WHERE ts <= t AND ts >= t - $ttl GROUP BY r
  )
SELECT r, $unpacked FROM s LEFT JOIN latest USING (r)
