-- Tries to log in that failed, by the hash of the number that was tried, whether or not somebody has it. A
-- lock holds on every host. As many are kept as the program says, so that nobody fills a disk by guessing.
create table login_failure (
    who bytea primary key check (octet_length(who) = 32),
    count bigint not null default 0,
    -- Nanoseconds since 1970-01-01T00:00:00Z.
    last bigint not null default 0,
    locked_until bigint not null default 0
);
