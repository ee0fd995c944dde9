-- Sum and count over 7 and 30 days from tiles of two hours and their unions by twos: a window is at most two tiles of
-- each of nine levels (2^8 tiles of two hours are 21 days), and the events of the two tiles that it cuts.
WITH
  s AS MATERIALIZED (SELECT row_number() OVER () AS r, key, epoch_us(event_timestamp) AS t FROM spine),
  e AS NOT MATERIALIZED (SELECT key, epoch_us(ts) AS ts, amount FROM $events),
  smallest AS (SELECT key, ts // 7200000000 AS b, sum(amount) AS total, count(*) AS n FROM e GROUP BY ALL),
  tiles AS MATERIALIZED (
    SELECT key, l, b >> l AS b, sum(total) AS total, sum(n) AS n
    FROM smallest, (SELECT unnest(range(9)) AS l) GROUP BY ALL
  ),
  asked AS MATERIALIZED (
    SELECT r, key, t, days, t - days * 86400000000 AS lo,
      (t - days * 86400000000 + 7199999999) // 7200000000 AS a, t // 7200000000 AS b
    FROM s, (VALUES (7), (30)) AS windows(days)
  ),
  levels AS (
    SELECT r, key, days, l, (a + (1::BIGINT << l) - 1) >> l AS a, b >> l AS b
    FROM asked, (SELECT unnest(range(9)) AS l)
  ),
  whole AS (
    SELECT r, key, days, l, a AS b FROM levels WHERE a < b AND a % 2 = 1
    UNION ALL
    SELECT r, key, days, l, b - 1 AS b FROM levels WHERE a < b AND b % 2 = 1
  ),
  cut AS (
    SELECT r, key, t, days, lo, a - 1 AS b FROM asked WHERE a * 7200000000 > lo
    UNION ALL
    SELECT r, key, t, days, lo, b FROM asked
  ),
  parts AS (
    SELECT r, days, total, n FROM whole JOIN tiles USING (key, l, b)
    UNION ALL
    SELECT r, days, amount AS total, 1 AS n
    FROM cut JOIN (SELECT *, ts // 7200000000 AS b FROM e) USING (key, b) WHERE ts >= lo AND ts < t
  ),
  answers AS (
    SELECT r, sum(total) FILTER (WHERE days = 7) AS sum_amount_7d, sum(total) FILTER (WHERE days = 30) AS sum_amount_30d,
      sum(n) FILTER (WHERE days = 7) AS count_7d, sum(n) FILTER (WHERE days = 30) AS count_30d
    FROM parts GROUP BY r
  )
SELECT sum_amount_7d, sum_amount_30d, coalesce(count_7d, 0) AS count_7d, coalesce(count_30d, 0) AS count_30d
FROM s LEFT JOIN answers USING (r) ORDER BY r
