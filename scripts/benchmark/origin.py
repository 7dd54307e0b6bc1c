"""What stands behind every proxy: one nginx with the same answers for all."""

from __future__ import annotations

from pathlib import Path

from benchmark.processes import LOAD_CORE, Running, free_ports

DOWNLOAD = 10 * 1024 * 1024

CONFIGURATION = """
daemon off;
worker_processes 1;
pid {folder}/origin.pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000000;
    keepalive_timeout 300s;
    client_body_buffer_size 64k;
    client_body_temp_path {folder}/origin-body;
    proxy_temp_path {folder}/origin-proxy;
    fastcgi_temp_path {folder}/origin-fastcgi;
    uwsgi_temp_path {folder}/origin-uwsgi;
    scgi_temp_path {folder}/origin-scgi;
    default_type text/html;
    open_file_cache max=10;
    upstream sink {{ server 127.0.0.1:{port}; keepalive 64; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        root {folder}/files;
        # A filter that may change the length: nginx falls back to Transfer-Encoding: chunked.
        location = /chunked {{ alias {folder}/files/1k; sub_filter_types *; sub_filter @never@ @never@; }}
        # A plain `return` would answer before the body has come; an inner request waits for it.
        location = /post {{
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Content-Length "";
            proxy_pass_request_body off;
            proxy_method GET;
            proxy_pass http://sink/stored;
        }}
        location = /stored {{ return 200 "stored\\n"; }}
    }}
}}
"""


def start(folder: Path, core: int | str = LOAD_CORE) -> tuple[Running, int]:
    """The origin and the port it listens on."""
    files = folder / "files"
    files.mkdir()
    (files / "1k").write_bytes(b"x" * 1024)
    (files / "10m").write_bytes(bytes(range(256)) * (DOWNLOAD // 256))
    [port] = free_ports(1)
    configuration = folder / "origin.conf"
    configuration.write_text(CONFIGURATION.format(folder=folder, port=port))
    command = ["nginx", "-p", str(folder), "-c", str(configuration)]
    return Running("origin", command, core=core, folder=folder, ports=[port]), port
