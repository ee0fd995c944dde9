-- What a textbook says: join on the key and the time, number the matches, keep the first.
SELECT $features
FROM (SELECT row_number() OVER () AS r, * FROM spine) s
LEFT JOIN (
  SELECT r, $features
  FROM (SELECT row_number() OVER () AS r, * FROM spine) s
  JOIN $events e ON $same_keys AND e.ts <= s.event_timestamp AND e.ts >= s.event_timestamp - to_microseconds($ttl)
  QUALIFY row_number() OVER (PARTITION BY r ORDER BY e.ts DESC) = 1
) USING (r)
ORDER BY r
