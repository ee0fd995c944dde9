-- Sum and count over 7 and 30 days from tiles of two days, and the events of the tiles that a window cuts.
WITH
  s AS (SELECT r, key, unix_micros(CAST(event_timestamp AS TIMESTAMP)) AS t FROM spine),
  e AS (SELECT key, unix_micros(CAST(ts AS TIMESTAMP)) AS ts, amount FROM $events),
  asked AS (
    SELECT r, key, t, (t - 604800000000 - 1) DIV 172800000000 AS first_7, (t - 2592000000000 - 1) DIV 172800000000 AS first_30,
      t DIV 172800000000 AS last
    FROM s
  ),
  tiles AS (SELECT key, ts DIV 172800000000 AS b, sum(amount) AS total, count(*) AS n FROM e GROUP BY key, ts DIV 172800000000),
  cut AS (SELECT *, explode(array_distinct(array(first_7, first_30, last))) AS b FROM asked),
  parts AS (
    SELECT r, b > first_7 AS in_7, true AS in_30, total, n
    FROM asked JOIN tiles USING (key) WHERE b > first_30 AND b < last
    UNION ALL
    SELECT r, ts >= t - 604800000000 AND b IN (first_7, last) AS in_7, b IN (first_30, last) AS in_30,
      amount AS total, 1 AS n
    FROM cut JOIN (SELECT *, ts DIV 172800000000 AS b FROM e) USING (key, b) WHERE ts < t AND ts >= t - 2592000000000
  ),
  answers AS (
    SELECT r, sum(total) FILTER (WHERE in_7) AS sum_amount_7d, sum(total) FILTER (WHERE in_30) AS sum_amount_30d,
      sum(n) FILTER (WHERE in_7) AS count_7d, sum(n) FILTER (WHERE in_30) AS count_30d
    FROM parts GROUP BY r
  )
SELECT r, sum_amount_7d, sum_amount_30d, coalesce(count_7d, 0) AS count_7d, coalesce(count_30d, 0) AS count_30d
FROM s LEFT JOIN answers USING (r)
