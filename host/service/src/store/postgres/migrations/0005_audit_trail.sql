-- The audit trails of all hosts, as they stand on the hosts' own disks: each record begins with the SHA-256
-- of the one before it. Records are added and read here, and never changed.
create table audit_trail (
    -- What the trail is called, and what it was given when it was begun.
    host text not null,
    trail bytea not null check (octet_length(trail) = 16),
    number bigint not null check (number > 0),
    received timestamptz not null default clock_timestamp(),
    record bytea not null check (octet_length(record) > 32),
    primary key (host, trail, number)
);

-- What is added goes on from what is there.
create function audit_trail_goes_on() returns trigger
language plpgsql set search_path from current as $$
declare
    last record;
begin
    select number, record into last from audit_trail
        where host = new.host and trail = new.trail order by number desc limit 1;
    if found and (new.number <> last.number + 1
        or substring(new.record from 1 for 32) <> sha256(last.record)) then
        raise exception 'record % of % does not go on from record %, the last that is there',
            new.number, new.host, last.number using errcode = 'data_corrupted';
    end if;
    -- Whoever adds a record does not say when it came.
    new.received := clock_timestamp();
    return new;
end
$$;
create trigger audit_trail_goes_on before insert on audit_trail
    for each row execute function audit_trail_goes_on();

-- What is there stays, also where somebody was granted more by mistake.
create function audit_trail_stays() returns trigger language plpgsql as $$
begin
    raise exception 'the audit trail is never changed' using errcode = 'insufficient_privilege';
end
$$;
create trigger audit_trail_stays before update or delete or truncate on audit_trail
    for each statement execute function audit_trail_stays();
alter table audit_trail enable always trigger audit_trail_goes_on;
alter table audit_trail enable always trigger audit_trail_stays;

revoke all on audit_trail from public;
-- A role of its own owns the table where this user may make one; who runs this keeps what a host needs.
do $$
begin
    create role rfid_audit nologin;
exception
    when duplicate_object or unique_violation then null;
    when insufficient_privilege then
        raise notice 'the role rfid_audit is not there and cannot be made';
end
$$;
do $$
begin
    alter table audit_trail owner to rfid_audit;
    grant select, insert on audit_trail to current_user;
exception
    when undefined_object or insufficient_privilege then
        raise notice 'rfid_audit does not own the audit trail: let it, or the owner can change what is there';
end
$$;
