"""A PostgreSQL server of a script's own, from the packages of the system, in a folder of its own."""

import os
import pathlib
import pwd
import shutil
import subprocess
import sys
import tempfile
import time


class Database:
    """A server with one empty database, and with these settings (`name=value`) besides; it ends with this."""

    def __init__(self, *settings):
        self.settings = settings

    def __enter__(self):
        folders = pathlib.Path("/usr/lib/postgresql").glob("*/bin")
        newest = sorted(folders, key=lambda folder: int(folder.parent.name))
        on_path = shutil.which("initdb")
        if not newest and not on_path:
            sys.exit("initdb is not there: install Debian's package postgresql")
        self.programs = newest[-1] if newest else pathlib.Path(on_path).parent
        # It refuses root.
        self.user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        self.folder = pathlib.Path(tempfile.mkdtemp())
        if self.user:
            os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
        data = self.folder / "data"
        self.call("initdb", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync", "-D", data)
        self.server = subprocess.Popen(
            [self.programs / "postgres", "-D", data, "-c", "listen_addresses=", "-c", "shared_buffers=16MB",
             "-c", f"unix_socket_directories={self.folder}", *(part for one in self.settings for part in ("-c", one))],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self.as_user())
        self.url = f"postgres://postgres@localhost/bank?host={self.folder}"
        end = time.time() + 60
        while True:
            try:
                self.call("psql", "-U", "postgres", "-h", self.folder, "-d", "postgres", "-c", "create database bank")
                return self
            except subprocess.CalledProcessError as error:
                if time.time() > end:
                    sys.exit(f"PostgreSQL does not start: {error.stderr}")
                time.sleep(0.1)

    def as_user(self):
        return {"user": self.user.pw_uid, "group": self.user.pw_gid, "cwd": "/"} if self.user else {}

    def call(self, program, *arguments):
        subprocess.run(
            [self.programs / program, *map(str, arguments)], check=True, capture_output=True, text=True, **self.as_user())

    def __exit__(self, *_):
        self.server.terminate()
        self.server.wait(timeout=60)
        shutil.rmtree(self.folder)
