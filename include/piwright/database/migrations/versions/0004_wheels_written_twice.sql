-- Every wheel is written twice: when it was built, and when it is published. Where the second version fits beside the
-- first, none of the five indexes is touched: a thousand projects are said to be published in a quarter of the time.
-- It holds for what is written from now on.

ALTER TABLE wheel SET (fillfactor = 50);
