-- Join on the key and the time, and group.
WITH
  s AS (SELECT r, $keys, unix_micros(CAST(event_timestamp AS TIMESTAMP)) AS t FROM spine),
  e AS (SELECT $keys, unix_micros(CAST(ts AS TIMESTAMP)) AS ts $operands FROM $events),
  joined AS (
    SELECT r, t - ts AS age $operands FROM s JOIN e USING ($keys) WHERE ts <= t - $last AND ts >= t - $longest
  ),
  answers AS (SELECT r, $measures FROM joined GROUP BY r)
SELECT r, $answers FROM s LEFT JOIN answers USING (r)
