-- The seed's schema, and one deposit as one call: what a bank on PostgreSQL would do for each
-- transaction with an idempotency key, in one round trip.
CREATE TABLE accounts (
    accountId VARCHAR(64) PRIMARY KEY,
    balance   DECIMAL(18,2) NOT NULL CHECK (balance >= 0),
    version   INTEGER NOT NULL CHECK (version > 0)
);

CREATE TABLE transactions (
    transactionId     BIGSERIAL PRIMARY KEY,
    accountId         VARCHAR(64) NOT NULL REFERENCES accounts,
    idempotencyKey    VARCHAR(255),
    typeOfTransaction VARCHAR(16) NOT NULL,
    amount            DECIMAL(18,2) NOT NULL CHECK (amount > 0),
    newBalance        DECIMAL(18,2) NOT NULL,
    newVersion        INTEGER NOT NULL,
    timestamp         TIMESTAMPTZ NOT NULL DEFAULT now(),
    UNIQUE (accountId, idempotencyKey)
);

CREATE FUNCTION deposit(account TEXT, key TEXT, sum DECIMAL) RETURNS DECIMAL LANGUAGE plpgsql AS $$
DECLARE
    row_of accounts%ROWTYPE;
    first  transactions%ROWTYPE;
BEGIN
    SELECT * INTO row_of FROM accounts WHERE accountId = account FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'Account not found';
    END IF;
    SELECT * INTO first FROM transactions WHERE accountId = account AND idempotencyKey = key;
    IF FOUND THEN
        RETURN first.newBalance;
    END IF;
    INSERT INTO transactions
        (accountId, idempotencyKey, typeOfTransaction, amount, newBalance, newVersion)
        VALUES (account, key, 'Deposit', sum, row_of.balance + sum, row_of.version + 1);
    UPDATE accounts SET balance = row_of.balance + sum, version = row_of.version + 1
        WHERE accountId = account;
    RETURN row_of.balance + sum;
END
$$;
