-- Each row goes into the two buckets, of the length of the longest window, that can hold its events.
WITH
  s AS MATERIALIZED (SELECT row_number() OVER () AS r, $keys, epoch_us(event_timestamp) AS t FROM spine),
  asked AS (
    SELECT r, $keys, t, (t - $last) // $longest AS bucket FROM s
    UNION ALL
    SELECT r, $keys, t, (t - $last) // $longest - 1 AS bucket FROM s
  ),
  e AS (SELECT $keys, epoch_us(ts) AS ts, epoch_us(ts) // $longest AS bucket $operands FROM $events),
  joined AS (
    SELECT r, t - ts AS age $operands FROM asked JOIN e USING ($keys, bucket) WHERE ts <= t - $last AND ts >= t - $longest
  ),
  answers AS (SELECT r, $measures FROM joined GROUP BY r)
SELECT $answers FROM s LEFT JOIN answers USING (r) ORDER BY r
