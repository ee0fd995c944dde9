-- Keys and times of the spine in one integer, sorted: one ASOF join by one number, without an equality.
-- 44 bits of time are 203 days from 2023-11-14 on; the first events are 47 days later, so a ttl up to that reaches no other key.
CREATE OR REPLACE TEMP TABLE ids AS
SELECT $keys, row_number() OVER () - 1 AS id FROM (SELECT DISTINCT $keys FROM spine);
CREATE OR REPLACE TEMP TABLE packed_spine AS
SELECT r, (id << 44) | (epoch_us(event_timestamp) - 1700000000000000) AS p
FROM (SELECT row_number() OVER () AS r, $keys, event_timestamp FROM spine) JOIN ids USING ($keys)
ORDER BY p;
