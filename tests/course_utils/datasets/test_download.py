"""Downloads, against a server on this machine that misbehaves in every way."""

import dataclasses
import gzip
import hashlib
import http.server
import os
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pooch
import pytest

from course_utils import datasets
from course_utils.datasets import download, local
from course_utils.datasets.catalog import CATALOG, RemoteFile
from course_utils.errors import ArgumentError, DownloadError, SyntheticDataWarning

CONTENT = np.random.default_rng(0).bytes(300_000)
FILE = RemoteFile("file.bin", hashlib.md5(CONTENT).hexdigest())
ITEM = dataclasses.replace(CATALOG["mnist"], files=(FILE,), mirrors=())


class Handler(http.server.BaseHTTPRequestHandler):
    """The first part of the path says how to misbehave: ``/404/file.bin``."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        way, _, name = self.path.strip("/").rpartition("/")
        self.server.requests.append((way, name))
        if way.isdecimal():
            self.send_error(int(way))
        elif way == "redirect":
            self.send_response(302)
            self.send_header("Location", f"/good/{name}")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif way == "circle":
            self.send_response(302)
            self.send_header("Location", f"/circle/{name}")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif way == "silent":
            self.server.patience.wait(20)
            self.close_connection = True
        else:
            self.reply(way, self.server.files.get(name, CONTENT))

    def reply(self, way, content):
        body = {
            "html": b"<!DOCTYPE html><title>Please log in</title>" + bytes(50),
            "damaged": content[:-1] + b"?",
            "short": content[:1000],
            "empty": b"",
        }.get(way, content)
        announced = {"cut": len(body) + 100, "stalls": len(body) + 100, "long": len(body) - 100}.get(way, len(body))
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if way == "html" else "application/octet-stream")
        self.send_header("Content-Length", str(announced))
        if way == "unpacked":
            body = gzip.compress(body) if "gzip" in self.headers.get("Accept-Encoding", "") else body
        self.end_headers()
        try:
            self.wfile.write(body)
            if way == "stalls":
                self.server.patience.wait(20)
        except OSError:
            self.server.broken.append(way)
        if way in ("cut", "stalls", "long"):
            self.close_connection = True

    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.requests, running.broken, running.files = [], [], {}
        running.patience = threading.Event()
        running.address = f"http://127.0.0.1:{running.server_port}"
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.patience.set()
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def nothing_remembered(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "_silent_until", {})
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("COURSE_DATA_DIR", raising=False)
    monkeypatch.setattr(local, "project_folder", lambda: None)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def fetch(server, folder, *ways, item=ITEM, **options):
    return download.fetch(item, folder, mirrors=[f"{server.address}/{way}/" for way in ways], **options)


def test_a_file_is_fetched_and_verified(server, tmp_path, capfd):
    folder = fetch(server, tmp_path / "new" / "folder", "good")
    assert folder == tmp_path / "new" / "folder"
    assert [path.name for path in folder.iterdir()] == ["file.bin"]
    assert (folder / "file.bin").read_bytes() == CONTENT
    assert capfd.readouterr() == ("", ""), "nothing prints"


def test_what_is_there_is_not_fetched_again(server, tmp_path):
    (tmp_path / "file.bin").write_bytes(CONTENT)
    fetch(server, tmp_path, "good")
    assert server.requests == []


def test_what_is_there_and_damaged_is_fetched_again(server, tmp_path):
    (tmp_path / "file.bin").write_bytes(CONTENT[:-5])
    fetch(server, tmp_path, "good")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_redirections_are_followed(server, tmp_path):
    fetch(server, tmp_path, "redirect")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_compressed_file_comes_as_it_is(server, tmp_path):
    fetch(server, tmp_path, "unpacked")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


FAILURES = {
    "403": "answered 403 Forbidden",
    "404": "answered 404 Not Found",
    "500": "answered 500 Internal Server Error",
    "503": "answered 503 Service Unavailable",
    "html": "sent a file with another checksum",
    "damaged": f"sent a file with another checksum than md5:{FILE.md5}",
    "short": "sent a file with another checksum",
    "long": "sent a file with another checksum",
    "empty": "sent a file with another checksum",
    "circle": "answered 302 Found",
    "cut": "broke the connection",
    "stalls": "did not answer in time",
    "silent": "did not answer in time",
}


@pytest.mark.parametrize("way", FAILURES)
def test_each_way_to_fail_is_told_and_leaves_nothing(server, tmp_path, monkeypatch, way):
    monkeypatch.setattr(download, "_READ_SECONDS", 0.5)
    with pytest.raises(
        DownloadError, match=rf"file\.bin: no mirror delivered it: {server.address}/{way}/ {FAILURES[way]}"
    ):
        fetch(server, tmp_path / "folder", way)
    assert list((tmp_path / "folder").iterdir()) == []


@pytest.mark.parametrize("way", FAILURES)
def test_the_next_mirror_is_tried(server, tmp_path, monkeypatch, way):
    monkeypatch.setattr(download, "_READ_SECONDS", 0.5)
    fetch(server, tmp_path, way, "good")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert list(dict.fromkeys(asked for asked, _ in server.requests)) == [way, "good"]


def test_every_mirrors_reason_is_told(server, tmp_path):
    with pytest.raises(DownloadError, match="404 Not Found; .*another checksum.*A copy from elsewhere can be put into"):
        fetch(server, tmp_path, "404", "damaged")


def test_an_old_file_stays_when_the_new_one_cannot_be_had(server, tmp_path):
    (tmp_path / "file.bin").write_bytes(b"older")
    with pytest.raises(DownloadError):
        fetch(server, tmp_path, "404")
    assert (tmp_path / "file.bin").read_bytes() == b"older"


def test_after_an_interruption_only_the_rest_is_fetched(server, tmp_path):
    files = tuple(dataclasses.replace(FILE, name=name) for name in ("1.bin", "2.bin", "3.bin"))
    item = dataclasses.replace(ITEM, files=files)
    server.files["2.bin"] = b"damaged"
    with pytest.raises(DownloadError, match=r"2\.bin: no mirror"):
        fetch(server, tmp_path, "good", item=item)
    assert [path.name for path in tmp_path.iterdir()] == ["1.bin"]
    del server.files["2.bin"]
    fetch(server, tmp_path, "good", item=item)
    assert [name for _, name in server.requests] == ["1.bin", "2.bin", "2.bin", "3.bin"]


def test_a_progress_bar_is_shown_where_it_is_asked_for(server, tmp_path, capfd):
    fetch(server, tmp_path, "good", progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert "100%" in err


def test_poochs_own_messages_come_back_afterwards(server, tmp_path):
    fetch(server, tmp_path, "good")
    assert pooch.get_logger().filters == []


@pytest.mark.parametrize("in_the_way", ["file", "full disk"])
def test_a_folder_that_cannot_be_written(server, tmp_path, monkeypatch, in_the_way):
    folder = tmp_path / "folder"
    if in_the_way == "file":
        folder.write_text("x")
    else:

        def no_space(*args, **options):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(pooch.HTTPDownloader, "__call__", no_space)
    with pytest.raises(
        DownloadError, match=r"folder: cannot be written to \((File exists|Not a directory|No space left on device)\)"
    ):
        fetch(server, folder, "good", "good")
    assert in_the_way == "file" or list(folder.iterdir()) == []


FETCH = """
import sys
from course_utils.datasets import catalog, download
item = catalog.entry("mnist")
files = (catalog.RemoteFile("file.bin", sys.argv[3]),)
import dataclasses
download.fetch(dataclasses.replace(item, files=files), sys.argv[1], mirrors=[sys.argv[2]])
"""


def test_two_processes_can_fetch_at_once(server, tmp_path):
    command = [sys.executable, "-c", FETCH, str(tmp_path / "both"), f"{server.address}/good/", FILE.md5]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(3)]
    errors = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], errors
    assert [path.name for path in (tmp_path / "both").iterdir()] == ["file.bin"]
    assert (tmp_path / "both" / "file.bin").read_bytes() == CONTENT


def test_many_threads_can_fetch_at_once(server, tmp_path):
    threads = [threading.Thread(target=fetch, args=(server, tmp_path / "all", "good")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.name for path in (tmp_path / "all").iterdir()] == ["file.bin"]
    assert (tmp_path / "all" / "file.bin").read_bytes() == CONTENT


# A machine without a network


@pytest.fixture
def closed_port():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{unused.getsockname()[1]}/"


def test_a_host_that_refuses_is_passed_over(server, tmp_path, closed_port):
    mirrors = [closed_port, f"{server.address}/good/"]
    download.fetch(ITEM, tmp_path, mirrors=mirrors)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    with pytest.raises(DownloadError, match=f"{closed_port} cannot be reached"):
        download.fetch(ITEM, tmp_path / "other", mirrors=[closed_port])
    assert not (tmp_path / "other").exists()


def test_a_dead_network_is_found_out_once_and_soon(tmp_path, monkeypatch):
    """A name that nobody answers for keeps the resolver busy for a minute."""
    asked = []
    patience = threading.Event()

    def resolver(host, *args, **options):
        asked.append(host)
        patience.wait(60)
        raise socket.gaierror("no answer")

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    monkeypatch.setattr(download, "_CONNECT_SECONDS", 0.3)
    files = tuple(dataclasses.replace(FILE, name=f"{number}.bin") for number in range(4))
    item = dataclasses.replace(ITEM, files=files)
    mirrors = ["http://one.invalid/", "https://two.invalid/data/", "http://one.invalid/again/"]
    start = time.monotonic()
    for _ in range(3):
        with pytest.raises(DownloadError, match=r"one\.invalid/ cannot be reached; https://two\.invalid/data/ cannot"):
            download.fetch(item, tmp_path, mirrors=mirrors)
    assert time.monotonic() - start < 1.5, "each host once for all files and calls"
    assert asked == ["one.invalid", "two.invalid"]
    patience.set()


def test_the_limit_is_five_seconds():
    assert download._CONNECT_SECONDS < 5


def test_the_answer_does_not_hold_for_ever(server, tmp_path, monkeypatch):
    host = ("127.0.0.1", server.server_port)
    monkeypatch.setattr(download, "_silent_until", {host: time.monotonic() + 60})
    with pytest.raises(DownloadError, match="cannot be reached"):
        fetch(server, tmp_path, "good")
    download._silent_until[host] = time.monotonic() - 1
    fetch(server, tmp_path, "good")


def test_a_proxy_is_asked_in_the_hosts_place(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:3128")
    monkeypatch.setenv("NO_PROXY", "inside.invalid")
    assert download._host("http://outside.invalid/data/") == ("proxy.invalid", 3128)
    assert download._host("http://inside.invalid/data/") == ("inside.invalid", 80)
    monkeypatch.delenv("HTTP_PROXY")
    assert download._host("https://outside.invalid/data/") == ("outside.invalid", 443)
    assert download._host("http://outside.invalid:8000/") == ("outside.invalid", 8000)


# Through the door


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, dtype=">u4").tobytes()
    return gzip.compress(header + array.astype(np.uint8).tobytes())


@pytest.fixture
def small_mnist(server, monkeypatch):
    """A data set in the format of MNIST that the catalog takes for the official one."""
    rng = np.random.default_rng(0)
    for prefix, n in (("train", 30), ("t10k", 20)):
        server.files[f"{prefix}-images-idx3-ubyte.gz"] = idx(rng.integers(0, 256, (n, 28, 28)))
        server.files[f"{prefix}-labels-idx1-ubyte.gz"] = idx(np.arange(n) % 10)
    files = tuple(
        RemoteFile(file.name, hashlib.md5(server.files[file.name]).hexdigest()) for file in CATALOG["mnist"].files
    )
    item = dataclasses.replace(CATALOG["mnist"], files=files, mirrors=(f"{server.address}/good/",))
    monkeypatch.setitem(CATALOG, "mnist", item)
    return server


@pytest.mark.parametrize("source", ["download", "auto"])
def test_load_fetches_verifies_and_keeps(small_mnist, tmp_path, source):
    data = datasets.load("mnist", source=source)
    assert data.provenance.kind == "official"
    assert data.x_train.shape == (30, 28, 28, 1)
    assert len(small_mnist.requests) == 4
    assert datasets.find("mnist") == tmp_path / "cache" / "mnist"
    again = datasets.load("mnist", source="local")
    assert np.array_equal(again.x_test, data.x_test)
    assert datasets.fingerprint("mnist", source=source) == f"sha256:{data.provenance.sha256}"
    assert len(small_mnist.requests) == 4


def test_downloads_land_in_the_projects_folder_if_it_can_be_written(small_mnist, tmp_path, monkeypatch):
    (tmp_path / "project").mkdir()
    monkeypatch.setattr(local, "project_folder", lambda: tmp_path / "project")
    datasets.load("mnist")
    assert len(list((tmp_path / "project" / "mnist").iterdir())) == 4
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert local.download_folder() == tmp_path / "cache"


def test_an_interrupted_download_is_completed_by_the_next_load(small_mnist, tmp_path):
    folder = tmp_path / "cache" / "mnist"
    folder.mkdir(parents=True)
    name = "train-images-idx3-ubyte.gz"
    (folder / name).write_bytes(small_mnist.files[name])
    assert datasets.load("mnist").provenance.kind == "official"
    assert len(small_mnist.requests) == 3


def test_auto_draws_when_the_server_fails(small_mnist, tmp_path):
    small_mnist.files["t10k-labels-idx1-ubyte.gz"] = b"other"
    with pytest.warns(SyntheticDataWarning, match=r"The reason: t10k-labels-idx1-ubyte\.gz: no mirror delivered it"):
        data = datasets.load("mnist", source="auto", train_limit=10, test_limit=10)
    assert data.provenance.kind == "synthetic"
    with pytest.raises(DownloadError):
        datasets.load("mnist", source="download")


def test_fetch_by_name(small_mnist, tmp_path):
    folder = datasets.fetch("mnist", folder=tmp_path / "shared")
    assert folder == tmp_path / "shared" / "mnist"
    assert len(list(folder.iterdir())) == 4
    assert datasets.verify("mnist", data_dir=tmp_path / "shared").provenance.kind == "official"
    mirrors = [f"{small_mnist.address}/404/", f"{small_mnist.address}/redirect/"]
    assert datasets.fetch("mnist", mirrors=mirrors) == tmp_path / "cache" / "mnist"


def test_what_cannot_be_fetched_says_so():
    with pytest.raises(ArgumentError, match="Market-1501 cannot be fetched .research use; given by its authors"):
        datasets.fetch("market1501")
    with pytest.raises(ArgumentError, match="name is 'imagenet'"):
        datasets.fetch("imagenet")


@pytest.mark.network
@pytest.mark.parametrize("name", ["fashion_mnist", "mnist", "kmnist", "cifar10", "svhn", "omniglot"])
def test_the_official_files_are_still_there(request, name, tmp_path):
    if "network" not in request.config.getoption("markexpr"):
        pytest.skip("run with -m network")
    datasets.fetch(name, folder=tmp_path)
    assert datasets.verify(name, data_dir=tmp_path).provenance.kind == "official"
