-- What a textbook says: join on the key and the time, and group.
WITH
  s AS MATERIALIZED (SELECT row_number() OVER () AS r, $keys, epoch_us(event_timestamp) AS t FROM spine),
  e AS (SELECT $keys, epoch_us(ts) AS ts $operands FROM $events),
  joined AS (SELECT r, t - ts AS age $operands FROM s JOIN e USING ($keys) WHERE ts <= t - $last AND ts >= t - $longest),
  answers AS (SELECT r, $measures FROM joined GROUP BY r)
SELECT $answers FROM s LEFT JOIN answers USING (r) ORDER BY r
