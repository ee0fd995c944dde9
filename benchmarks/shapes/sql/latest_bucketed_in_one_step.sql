-- As latest_bucketed, but the features travel with the rows: no second look at the events.
WITH
  s AS MATERIALIZED (SELECT row_number() OVER () AS r, $keys, epoch_us(event_timestamp) AS t FROM spine),
  asked AS (
    SELECT r, $keys, t, t // ($ttl + 1) AS bucket FROM s
    UNION ALL
    SELECT r, $keys, t, t // ($ttl + 1) - 1 AS bucket FROM s
  ),
  e AS NOT MATERIALIZED (SELECT $keys, epoch_us(ts) AS ts, $features FROM $events),
  latest AS (
    SELECT r, arg_max({$packed}, ts) AS p
    FROM asked JOIN (SELECT *, ts // ($ttl + 1) AS bucket FROM e) USING ($keys, bucket)
    WHERE ts <= t AND ts >= t - $ttl
    GROUP BY r
  )
SELECT $unpacked FROM s LEFT JOIN latest USING (r) ORDER BY r
