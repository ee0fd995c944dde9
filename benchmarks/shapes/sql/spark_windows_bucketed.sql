-- As spark_windows_range, within the two buckets, of the length of the longest window, that can hold the events.
WITH
  s AS (SELECT r, $keys, unix_micros(CAST(event_timestamp AS TIMESTAMP)) AS t FROM spine),
  asked AS (
    SELECT r, $keys, t, (t - $last) DIV $longest - back AS bucket FROM s LATERAL VIEW explode(array(0, 1)) x AS back
  ),
  e AS (
    SELECT $keys, unix_micros(CAST(ts AS TIMESTAMP)) AS ts, unix_micros(CAST(ts AS TIMESTAMP)) DIV $longest AS bucket $operands
    FROM $events
  ),
  joined AS (
    SELECT r, t - ts AS age $operands FROM asked JOIN e USING ($keys, bucket)
    WHERE ts <= t - $last AND ts >= t - $longest
  ),
  answers AS (SELECT r, $measures FROM joined GROUP BY r)
SELECT r, $answers FROM s LEFT JOIN answers USING (r)
