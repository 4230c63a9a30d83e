"""Inventories by rfid-host, of readers that llrpkit emulates.

    inventory.py PATH_OF_RFID_HOST FOLDER

Between the two stands a line that keeps what passes. Its messages are decoded by llrpkit, whose tags are
compared with those that rfid-host prints, one by one and in order; each message of rfid-host is decoded and
encoded again by llrpkit, which must give the same octets; and tshark looks at both directions.
"""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path

from llrpkit.emulator import EmulatedTag, LLRPEmulator
from llrpkit.protocol import decode_message, impinj, messages, params

LIMIT = 60
# Reads that are compared in each inventory.
ENOUGH = 300

# Of the usual 96 bits, of one word, of 128 bits, and as long as an EPC gets; one before two antennas.
TAGS = [
    EmulatedTag(bytes.fromhex("300833b2ddd9014000000001"), antennas=(1,), rssi_dbm=-41.0),
    EmulatedTag(bytes.fromhex("300833b2ddd9014000000002"), antennas=(1, 2), rssi_dbm=-48.5),
    EmulatedTag(bytes.fromhex("e2801160600002054f3a1b2c"), antennas=(3,), rssi_dbm=-55.0),
    EmulatedTag(bytes.fromhex("beef"), antennas=(2,), rssi_dbm=-60.0),
    EmulatedTag(bytes.fromhex("300833b2ddd901400000000300040005"), antennas=(4,), rssi_dbm=-50.0),
    EmulatedTag(bytes(range(62)), antennas=(4,), rssi_dbm=-52.0),
]


class OfAnotherMaker(LLRPEmulator):
    """A reader of somebody without extensions, whose signal strengths are whole dBm."""

    def _capabilities_response(self):
        answer = super()._capabilities_response()
        answer.general_device_capabilities.device_manufacturer_name = 17_996
        return answer


class Line:
    """What passes between a client and the reader, message by message."""

    def __init__(self, reader_port):
        self.reader_port = reader_port
        # Whether the reader said it, and what.
        self.messages = []

    async def serve(self, from_client, to_client):
        from_reader, to_reader = await asyncio.open_connection("127.0.0.1", self.reader_port)
        await asyncio.gather(
            self.carry(from_client, to_reader, is_from_reader=False),
            self.carry(from_reader, to_client, is_from_reader=True),
        )

    async def carry(self, source, sink, is_from_reader):
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                header = await source.readexactly(10)
                message = header + await source.readexactly(int.from_bytes(header[2:6], "big") - 10)
                self.messages.append((is_from_reader, message))
                sink.write(message)
                await sink.drain()
        sink.close()

    def decoded(self, is_from_reader):
        return [decode_message(octets) for side, octets in self.messages if side == is_from_reader]

    def reads(self):
        """What the reader reported, as rfid-host prints it."""
        for message in self.decoded(is_from_reader=True):
            if isinstance(message, messages.RO_ACCESS_REPORT):
                yield from map(read, message.tag_report_datas)

    def check_encoding(self):
        ours = [octets for side, octets in self.messages if not side]
        assert ours
        for octets in ours:
            message = decode_message(octets)
            again = message.to_bytes(message_id=message.message_id)
            assert again == octets, f"{message}: {octets.hex()} is {again.hex()}"

    def check_dissection(self, work, name):
        """Whether another program finds every message in a capture, and none malformed."""
        dump, capture = work / f"{name}.txt", work / f"{name}.pcap"
        with dump.open("w") as lines:
            for is_from_reader, octets in self.messages:
                lines.write(f"{'I' if is_from_reader else 'O'} 000000 {octets.hex(' ')}\n")
        run("text2pcap", "-q", "-D", "-T", "5084,49152", dump, capture)
        shown = run(
            "tshark", "-n", "-r", capture, "-T", "fields", "-E", "occurrence=a",
            "-e", "tcp.dstport", "-e", "llrp.type", "-e", "_ws.malformed", "-e", "_ws.expert.message",
        )
        rows = [row.split("\t") for row in shown.splitlines()]
        for is_from_reader, port in (True, "49152"), (False, "5084"):
            sent = [int.from_bytes(octets[:2], "big") & 0x3FF for side, octets in self.messages
                    if side == is_from_reader]
            found = [int(number) for row in rows if row[0] == port
                     for number in row[1].split(",") if number]
            assert sent and found == sent, f"{name}, to port {port}: {found} of {sent}"
        bad = [row for row in rows if row[2]]
        assert not bad, f"{name}: {bad}"


def read(tag):
    epc = tag.epc_parameter.epc
    strength = [custom.rssi for custom in tag.custom if isinstance(custom, impinj.ImpinjPeakRSSI)]
    return (
        (epc if isinstance(tag.epc_parameter, params.EPC_96) else epc.data).hex().upper(),
        tag.antenna_id.antenna_id,
        strength[0] if strength else tag.peak_rssi.peak_rssi * 100,
        tag.tag_seen_count.tag_count,
    )


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=LIMIT)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


@contextlib.asynccontextmanager
async def before(reader):
    """The address of a line to the reader, and the line."""
    async with reader:
        line = Line(reader.port)
        server = await asyncio.start_server(line.serve, "127.0.0.1", 0)
        async with server:
            host, port = server.sockets[0].getsockname()
            yield f"{host}:{port}", line


async def inventory(host, work, name, reader, options, tags):
    """Reads until there is enough, and compares; `tags` are those that must be among them."""
    async with before(reader) as (address, line):
        process = await asyncio.create_subprocess_exec(
            host, "read", "llrp", address, "--json", *options,
            stdout=asyncio.subprocess.PIPE, start_new_session=True,
        )
        reads = []
        async with asyncio.timeout(LIMIT):
            while len(reads) < ENOUGH:
                printed = await process.stdout.readline()
                assert printed, f"{name}: rfid-host ends after {len(reads)} reads"
                tag = json.loads(printed)
                reads.append(tuple(
                    tag[key] for key in ("epc_hex", "antenna_port", "peak_rssi_cdbm", "read_count")
                ))
            process.send_signal(signal.SIGINT)
            await process.stdout.read()
            assert await process.wait() == 0, f"{name}: rfid-host ends with {process.returncode}"
    reported = list(line.reads())
    for number, (ours, theirs) in enumerate(zip(reads, reported)):
        assert ours == theirs, f"{name}: read {number} is {theirs}, and rfid-host says {ours}"
    seen = {(epc, antenna) for epc, antenna, _, _ in reads}
    assert seen == tags, f"{name}: {seen ^ tags}"
    said = line.decoded(is_from_reader=False)
    assert isinstance(said[-1], messages.CLOSE_CONNECTION), f"{name}: ends with {said[-1]}"
    line.check_encoding()
    line.check_dissection(work, name)
    print(f"{name}: {len(reads)} reads of {len(seen)} tags and antennas agree, {len(line.messages)} messages")
    return line


async def questions(host):
    """What a reader says of itself, and to a second client."""
    async with before(LLRPEmulator(tags=TAGS, reads_per_sec=400.0)) as (address, _):
        told = await said_by(host, "reader", "llrp", address)
        assert told.startswith("Impinj model 700, firmware llrpkit-emu"), told
        # It has no antenna configuration to tell.
        assert "power unknown" in told, told
        before_two = TAGS[1].epc.hex()
        both = await said_by(host, "tag", "read", "llrp", address, "--tag", before_two, fails=True)
        assert "is heard by several antennas" in both, both
    async with before(LLRPEmulator(tags=TAGS)) as (address, line):
        first = await asyncio.open_connection("127.0.0.1", line.reader_port)
        await first[0].readexactly(10)
        refused = await said_by(host, "reader", "llrp", address, fails=True)
        assert "another client is connected to this reader" in refused, refused
        # The reader notices before the loop ends.
        first[1].write_eof()
        await first[0].read()
    print("what the reader says of itself, of a tag before two antennas and to a second client is understood")


async def said_by(host, *arguments, fails=False):
    process = await asyncio.create_subprocess_exec(
        host, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(LIMIT):
        out, err = await process.communicate()
    said = (out + err).decode()
    assert process.returncode == (1 if fails else 0), f"{arguments} ends with {process.returncode}: {said}"
    return said


def before_antennas(*ports, of=""):
    """The tags whose EPC begins so, each with the antennas before which it is."""
    seen = {(tag.epc.hex().upper(), port) for tag in TAGS for port in tag.antennas if port in ports}
    return {(epc, port) for epc, port in seen if epc.startswith(of)}


async def main():
    host, work = sys.argv[1], Path(sys.argv[2])
    fast = {"tags": TAGS, "reads_per_sec": 400.0}
    everywhere = before_antennas(1, 2, 3, 4)
    await inventory(host, work, "as-it-comes", LLRPEmulator(**fast), [], everywhere)
    await inventory(
        host, work, "another-maker", OfAnotherMaker(**fast), ["--antennas", "1,2"], before_antennas(1, 2)
    )
    await inventory(
        host, work, "by-prefix", LLRPEmulator(**fast), ["--set", 'epc_prefixes=["300833b2d"]'],
        before_antennas(1, 2, 3, 4, of="300833B2D"),
    )
    line = await inventory(
        host, work, "with-wishes", LLRPEmulator(tags=TAGS, reads_per_sec=150.0),
        [option for value in ("session=2", "population=8", "mode=2", "power_dbm=27.0", "phase=true",
                              "search_mode=dual_target", "watch_inputs=true", "keepalive=1s")
         for option in ("--set", value)],
        everywhere,
    )
    alive = sum(isinstance(message, messages.KEEPALIVE) for message in line.decoded(is_from_reader=True))
    acknowledged = sum(
        isinstance(message, messages.KEEPALIVE_ACK) for message in line.decoded(is_from_reader=False)
    )
    assert 1 <= alive <= acknowledged + 1, f"{acknowledged} of {alive} signs of life are acknowledged"
    await questions(host)


asyncio.run(main())
