-- Rows and events together in the order of time: the last event before each row, by a window over the key.
WITH
  mixed AS (
    SELECT $keys, unix_micros(CAST(ts AS TIMESTAMP)) AS at, 0 AS is_row, CAST(NULL AS BIGINT) AS r,
      struct(unix_micros(CAST(ts AS TIMESTAMP)) AS ts, $features) AS p
    FROM $events
    UNION ALL
    SELECT $keys, unix_micros(CAST(event_timestamp AS TIMESTAMP)) AS at, 1 AS is_row, r, NULL AS p FROM spine
  ),
  latest AS (
    SELECT r, at, last(p, true) OVER (PARTITION BY $keys ORDER BY at, is_row ROWS UNBOUNDED PRECEDING) AS p FROM mixed
  )
SELECT r, $unpacked_in_time FROM latest WHERE r IS NOT NULL
