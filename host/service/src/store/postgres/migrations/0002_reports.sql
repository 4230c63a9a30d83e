-- What those may read who make reports: visits, duties and alarms, by ids that name nobody.
create schema if not exists report;

create view report.visit as
select
    encode(key, 'hex') as id,
    encode(owner, 'hex') as customer,
    branch,
    to_timestamp(at / 1000000000.0) as arrived,
    to_timestamp(departed / 1000000000.0) as departed,
    vip_class,
    encode(account_manager, 'hex') as account_manager,
    refusal,
    to_timestamp(greeted / 1000000000.0) as greeted,
    encode(greeted_by, 'hex') as greeted_by,
    to_timestamp(served / 1000000000.0) as served,
    encode(served_by, 'hex') as served_by
from visit
where body is not null;

create view report.duty as
select
    encode(key, 'hex') as id,
    encode(owner, 'hex') as staff,
    branch,
    to_timestamp(at / 1000000000.0) as began,
    is_open
from record
where kind = 6 and body is not null;

create view report.alarm as
select
    encode(key, 'hex') as id,
    encode(owner, 'hex') as card,
    branch,
    to_timestamp(at / 1000000000.0) as raised,
    is_open
from record
where kind = 7 and body is not null;

-- A database whose owner may not make roles has none until its administrator makes it and grants it
-- the same.
do $$
begin
    create role rfid_report nologin;
exception
    when duplicate_object or unique_violation then null;
    when insufficient_privilege then
        raise notice 'the role rfid_report is not there and cannot be made';
end
$$;
do $$
begin
    grant usage on schema report to rfid_report;
    grant select on all tables in schema report to rfid_report;
exception
    when undefined_object then
        raise notice 'what rfid_report may read is not granted';
end
$$;
-- By itself: whoever may grant the views may not always change the role.
do $$
begin
    alter role rfid_report set statement_timeout = '60s';
    alter role rfid_report set default_transaction_read_only = on;
exception
    when undefined_object or insufficient_privilege then
        raise notice 'the limits of rfid_report are those of the server';
end
$$;
