-- DuckDB's ASOF join as its documentation shows it, with the ttl after it.
SELECT $features_in_time
FROM (SELECT row_number() OVER () AS r, * FROM spine) s
ASOF LEFT JOIN $events e ON $same_keys AND s.event_timestamp >= e.ts
ORDER BY r
