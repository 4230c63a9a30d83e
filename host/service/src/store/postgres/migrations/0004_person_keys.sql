-- The keys of persons, all in one value that is sealed before it comes here. Erasing a person writes it
-- anew without the key of that person.
create table person_keys (
    only_one boolean primary key default true check (only_one),
    -- Goes on with each writing: a host that knows an older one reads it again before it writes anything.
    version bigint not null,
    sealed bytea not null
);
