-- Visits of a day in UTC in columns, so that a report over a year reads a few hundred rows. A host makes the row
-- of a day that is over when somebody asks for it; whatever changes a visit of that day takes it away again, in
-- the same transaction.
create table visit_sum (
    -- Days since 1970-01-01.
    day integer primary key,
    -- One value for each visit in each of them, in the same order. `store/days/` says how they are written.
    arrived bytea not null,
    branch bytea not null,
    vip_class bytea not null,
    account_manager bytea not null,
    refusal bytea not null,
    customer bytea not null,
    greeter bytea not null,
    greeting bytea not null,
    server bytea not null,
    serving bytea not null,
    stay bytea not null
);
-- What a report does not ask for is not read with the rest, and nothing is unpacked for each report anew.
alter table visit_sum
    alter column arrived set storage external,
    alter column branch set storage external,
    alter column vip_class set storage external,
    alter column account_manager set storage external,
    alter column refusal set storage external,
    alter column customer set storage external,
    alter column greeter set storage external,
    alter column greeting set storage external,
    alter column server set storage external,
    alter column serving set storage external,
    alter column stay set storage external;

-- Whoever sums a day up holds its lock alone, and whoever changes visits of it holds it with others: a sum is
-- made of everything that was changed before it, and is there to be taken away by what is changed after it.
create function lock_visit_day(day integer, to_sum_up boolean) returns void
language plpgsql as $$
declare
    -- "rfid" in ASCII: what else uses such locks in this database does not use these.
    space constant integer := 1919314276;
begin
    if to_sum_up then
        perform pg_advisory_xact_lock(space, day);
    else
        perform pg_advisory_xact_lock_shared(space, day);
    end if;
end
$$;

-- Its owner runs it, so that whoever may change visits cannot leave sums behind that are not true any more.
create function forget_visit_sums() returns trigger
language plpgsql security definer set search_path from current as $$
declare
    a_day constant bigint := 86400000000000;
    days integer[];
begin
    -- Nobody reads or writes visits meanwhile, so that nothing is summed up either.
    if tg_op = 'TRUNCATE' then
        delete from visit_sum;
        return null;
    end if;
    -- In one order for all, so that two hosts do not wait for each other.
    if tg_op = 'INSERT' then
        select array_agg(distinct (at / a_day)::integer order by (at / a_day)::integer) into days from came;
    elsif tg_op = 'DELETE' then
        select array_agg(distinct (at / a_day)::integer order by (at / a_day)::integer) into days from gone;
    else
        select array_agg(distinct (at / a_day)::integer order by (at / a_day)::integer) into days
        from (select at from came union all select at from gone) as changed;
    end if;
    if days is null then
        return null;
    end if;
    perform lock_visit_day(day, false) from unnest(days) as day;
    delete from visit_sum where day = any(days);
    return null;
end
$$;
create trigger visits_came after insert on visit
    referencing new table as came for each statement execute function forget_visit_sums();
create trigger visits_changed after update on visit
    referencing old table as gone new table as came for each statement execute function forget_visit_sums();
create trigger visits_gone after delete on visit
    referencing old table as gone for each statement execute function forget_visit_sums();
create trigger visits_emptied after truncate on visit
    for each statement execute function forget_visit_sums();
