"""What a board and a photo of it cost the host, asked for by eight handhelds again and again."""

import os
import re
import sys
import threading
import time

import arrivals
from bank import until

HERE = 10
HANDHELDS = 8
SECONDS = 10


def ask_on(person, end, answers):
    """A board with one of those who are here, and the photo of that one, until it is over."""
    while time.monotonic() < end:
        status, _, board = person.ask("GET", "/lobby/board", headers={"HX-Request": "true"})
        photo = re.search(rb'src="(/photos/[^"]+/large)"', board)
        if status != 200 or not photo:
            sys.exit(f"no board: {status}")
        person.ask("GET", photo[1].decode())
        answers.append(2)


def processor_seconds(process):
    with open(f"/proc/{process.pid}/stat", encoding="ascii") as stat:
        ticks = stat.read().rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def main():
    host, work = sys.argv[1], sys.argv[2]
    with arrivals.opened(host, work, HERE) as bank:
        people = list(arrivals.sessions(bank, HANDHELDS))
        arrivals.walk_in(bank, [f'[[tag]]\nepc = "{arrivals.epc(n)}"\nat = "0s"\nfor = "1h"\n' for n in range(HERE)])
        until("the customers", lambda: len(people[0].do("GET", "/visits?open=true")["items"]) == HERE)
        answers, before, end = [], processor_seconds(bank.daemon), time.monotonic() + SECONDS
        asking = [threading.Thread(target=ask_on, args=(person, end, answers)) for person in people]
        for one in asking:
            one.start()
        for one in asking:
            one.join()
        spent = processor_seconds(bank.daemon) - before
        print(f"{HERE} customers here: {sum(answers) / SECONDS:.0f} boards and photos a second, "
              f"{spent / sum(answers) * 1000:.2f} ms of a processor of the host for each")


if __name__ == "__main__":
    main()
