\set account random(0, :accounts - 1)
\set key random(1, 9223372036854775806)
SELECT deposit('bench' || :account::text, :key::text, 1.00);
