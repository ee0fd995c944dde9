-- As spark_latest_range, within the two buckets, of the length of the ttl, that can hold the match.
WITH
  s AS (SELECT r, $keys, unix_micros(CAST(event_timestamp AS TIMESTAMP)) AS t FROM spine),
  asked AS (SELECT r, $keys, t, t DIV ($ttl + 1) - back AS bucket FROM s LATERAL VIEW explode(array(0, 1)) x AS back),
  e AS (SELECT $keys, unix_micros(CAST(ts AS TIMESTAMP)) AS ts, $features FROM $events),
  latest AS (
    SELECT r, max(struct(ts, $features)) AS p
    FROM asked JOIN (SELECT *, ts DIV ($ttl + 1) AS bucket FROM e) USING ($keys, bucket)
    WHERE ts <= t AND ts >= t - $ttl GROUP BY r
  )
SELECT r, $unpacked FROM s LEFT JOIN latest USING (r)
