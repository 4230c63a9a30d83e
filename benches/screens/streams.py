"""What ten thousand open streams of arrivals cost a host in memory.

    python3 benches/screens/streams.py target/release/rfid-host [streams]
"""

import asyncio
import pathlib
import resource
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "examples" / "bank-day"))

import bank as bank_day
from bank import Bank

TOKEN = "0123456789abcdef0123456789abcdef"
BESIDE = 64
AT_ONCE = 100


def resident(bank):
    """Bytes of the host that are in memory."""
    status = pathlib.Path(f"/proc/{bank.daemon.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS:")).split()[1]) * 1024


async def stream(bank, places):
    """One stream, open and told that nobody is there."""
    async with places:
        reader, writer = await asyncio.open_connection(*bank.http)
        request = f"GET /api/v1/arrivals HTTP/1.1\r\nHost: bank\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
        writer.write(request.encode())
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head.splitlines()[0]:
            sys.exit(head.decode())
    return reader, writer


async def measure(bank, count):
    places = asyncio.Semaphore(AT_ONCE)
    before = resident(bank)
    streams = await asyncio.gather(*[stream(bank, places) for _ in range(count)])
    await asyncio.sleep(2)
    after = resident(bank)
    print(f"{count} streams: {(after - before) / count / 1024:.1f} KiB each "
          f"({before >> 20} MiB before, {after >> 20} MiB with them)")
    for _, writer in streams:
        writer.close()


def main():
    host, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    resource.setrlimit(resource.RLIMIT_NOFILE, (count + BESIDE, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    bank_day.CONFIGURATION += f"""
[http]
connections = {count + BESIDE}
connections_per_address = {count + BESIDE}

[clients.core]
token = "{TOKEN}"
scopes = ["visits:read"]
requests_per_minute = 1000000
"""
    with tempfile.TemporaryDirectory() as work:
        bank = Bank(host, work)
        bank.open()
        try:
            asyncio.run(measure(bank, count))
        finally:
            bank.close()


if __name__ == "__main__":
    main()
