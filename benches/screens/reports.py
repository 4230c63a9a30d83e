"""Reports over millions of visits of a year on the screen of the centre, in a real browser, from PostgreSQL.

  benches/screens/run reports [path of rfid-host] [visits]

The visits are put into the table by SQL, with bodies that say nothing: a report reads none.
"""

import datetime
import os
import sys
import time

import chromium
from bank import Bank
from database import Database

BRANCHES = 300
LOADS = 5
PAGES = ["visits?by=day", "visits?by=branch_class", "visits?by=manager", "visits?by=hour_class", "frequency?",
         "recognition?", "staff?", "absent?days=90"]
# Those who greet and come are no people of this bank, so there is nobody to tell of.
OF_PEOPLE = {"staff?", "absent?days=90"}

# Numbers that look random and are the same each time, of which the visits are made; each day has as many.
FILL = """
select add_visit_month((extract(epoch from now() - month * interval '1 month') * 1000000000)::bigint)
from generate_series(0, 13) as month;
insert into visit (key, version, body, owner, at, branch, is_open, vip_class, account_manager, refusal, departed,
                   greeted, greeted_by, served, served_by)
select decode(md5(n::text), 'hex'), 1, '\\x00', decode(md5('customer' || r % 200000), 'hex'), at,
       'b' || lpad((r % {branches})::text, 3, '0'), false, (array['gold', 'platinum', 'diamond'])[1 + r % 200000 % 3],
       decode(md5('staff' || r % 2000), 'hex'), case when r % 50 = 0 then 'lost' end, at + 1200000000000,
       case when r % 10 > 0 then at + (20 + r % 60) * 1000000000 end,
       case when r % 10 > 0 then decode(md5('staff' || r % 1999), 'hex') end,
       case when r % 10 < 8 then at + (120 + r % 600) * 1000000000 end,
       case when r % 10 < 8 then decode(md5('staff' || r % 1999), 'hex') end
from (select n, r, (extract(epoch from current_date - 1)::bigint - n * 364 / {visits} * 86400 + 3600 + r % 28800) * 1000000000 as at
      from (select n, hashint8(n)::bigint + 2147483648 as r from generate_series(0, {visits} - 1::bigint) as n) as numbered) as arrivals;
vacuum analyze visit;
"""


def fill(database, visits):
    for statement in FILL.format(branches=BRANCHES, visits=visits).split(";\n"):
        if statement.strip():
            database.call("psql", "-U", "postgres", "-h", database.folder, "-d", "bank", "-v", "ON_ERROR_STOP=1", "-c", statement)


def main():
    host, work, visits = sys.argv[1], sys.argv[2], int(sys.argv[3])
    with Database("shared_buffers=512MB", "max_wal_size=2GB") as database:
        os.environ["BANK_DATABASE"] = database.url
        bank = Bank(host, work)
        branches = "".join(f'[branches.b{branch:03}]\nname = "第{branch}支行"\n' for branch in range(BRANCHES))
        key = bank.work / "key"
        key.write_text(os.urandom(32).hex())
        key.chmod(0o600)
        bank.more = f'\n[store]\nkind = "postgres"\nurl = "env:BANK_DATABASE"\nkey = "file:{key}"\n{branches}'
        try:
            bank.open()
            bank.set_up()
            bank.staff()
            begun = time.monotonic()
            fill(database, visits)
            print(f"{visits} visits of a year in {BRANCHES} branches, in the table after {time.monotonic() - begun:.0f} s")
            today = datetime.date.today()
            days = f"from={today - datetime.timedelta(days=365)}&to={today}"
            with chromium.logged_in(bank, "CS1", "1920,1080", bank.person("CS1").digits()) as page:
                page.set_page_load_timeout(600)
                first = True
                for name in PAGES:
                    address = "http://{}:{}/centre/reports/{}&{}".format(*bank.http, name, days)
                    if first:
                        print(f"the first, which sums days up: {chromium.first_paint(page, address)[1] / 1000:.1f} s")
                        first = False
                    told, painted = (sorted(part) for part in zip(*(chromium.first_paint(page, address) for _ in range(LOADS))))
                    rows = page.execute_script("return document.querySelectorAll('main tbody tr').length")
                    if not rows and name not in OF_PEOPLE:
                        sys.exit(f"{name}: nothing is shown")
                    print(f"  {name.rstrip('?'):<21} {rows:>5} rows; there after {told[LOADS // 2]:5.0f} ms, "
                          f"painted after {painted[LOADS // 2]:5.0f} ms, {painted[-1]:5.0f} ms at most")
        finally:
            bank.close()


if __name__ == "__main__":
    main()
