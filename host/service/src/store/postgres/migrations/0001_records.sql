-- Records of the customer service. What is sealed is so before it comes here: nobody who reads this
-- database alone learns who a customer is.

-- What holds for the whole database: name and value.
create table meta (
    name text primary key,
    value bytea not null
);

-- Branches (1), customers (2), cards (3), staff (5), duties (6), alarms (7).
create table record (
    kind smallint not null,
    key bytea not null,
    version integer not null check (version > 0),
    -- Absent of a record that was removed: its versions go on if it is made again.
    body bytea,
    -- The customer of a card, the member of staff of a duty, the card of an alarm.
    owner bytea,
    -- Of duties and alarms, as of visits: nanoseconds since 1970-01-01T00:00:00Z, and the branch.
    at bigint,
    branch text,
    is_open boolean not null default false,
    primary key (kind, key)
);
create index record_owner on record (kind, owner, at desc, key desc) where owner is not null;
create index record_at on record (kind, at desc, key desc) where at is not null;
create index record_branch on record (kind, branch, at desc, key desc) where at is not null;
create index record_open on record (kind, at desc, key desc) where is_open;

-- Visits, a partition for each month of arrival in UTC. The columns beside the body are for lists and
-- reports; they say nothing that is not in it.
create table visit (
    key bytea not null,
    version integer not null check (version > 0),
    body bytea,
    owner bytea not null,
    at bigint not null,
    branch text not null,
    is_open boolean not null,
    vip_class text not null,
    account_manager bytea,
    refusal text,
    departed bigint,
    greeted bigint,
    greeted_by bytea,
    served bigint,
    served_by bytea,
    primary key (key, at)
) partition by range (at);
create index visit_owner on visit (owner, at desc, key desc);
create index visit_at on visit (at desc, key desc);
create index visit_branch on visit (branch, at desc, key desc);
create index visit_open on visit (at desc, key desc) where is_open;

-- What no two records share, by its keyed hash.
create table unique_value (
    blind bytea primary key,
    kind smallint not null,
    key bytea not null
);

-- ID numbers of customers, by their keyed hash.
create table id_number (
    blind bytea not null,
    customer bytea not null,
    primary key (blind, customer)
);

-- Everything that ever happened, commit by commit. Its key also keeps two hosts from writing the same
-- version of a record.
create sequence commit_number;
create table past (
    kind smallint not null,
    key bytea not null,
    version integer not null,
    commit bigint not null,
    origin bytea not null,
    body bytea,
    primary key (kind, key, version)
);
create index past_commit on past (commit);

-- Photos in two sizes, sealed, by the hash of what is in them.
create table photo (
    id bytea primary key,
    large bytea not null,
    small bytea not null
);

-- Makes the partition of the month that a time belongs to, if it is not there. The owner of the tables
-- runs it, so that the host needs no right to make tables.
create function add_visit_month(nanos bigint) returns void
language plpgsql security definer set search_path from current as $$
declare
    begins timestamp := date_trunc('month', timestamp '1970-01-01' + make_interval(secs => nanos / 1000000000));
    name text := 'visit_' || to_char(begins, 'YYYY_MM');
    first numeric := extract(epoch from begins) * 1000000000;
    behind numeric := extract(epoch from begins + interval '1 month') * 1000000000;
begin
    -- Two hosts may want it at the same time.
    perform pg_advisory_xact_lock(hashtextextended('rfid-host visit months', 0));
    execute format(
        'create table if not exists %I partition of visit for values from (%s) to (%s)',
        name, first::bigint, least(behind, 9223372036854775807)::bigint
    );
end
$$;
