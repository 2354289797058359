# SPDX-License-Identifier: Apache-2.0
"""What the broker is measured beside: the raw socket, the bare store, a Redis script, a fixed HTTPS answer."""
import hashlib
import os
import socket
import subprocess

from process import Server, free_port, tcp_ready, unix_ready

ACCOUNTS_AT_ONCE = 1000


def pingpong(programs, scratch, name, *options):
    path = os.path.join(scratch, name + ".sock")
    server = Server([os.path.join(programs, "pingpong"), "serve", path, *options],
                    os.path.join(scratch, "pingpong.log"))
    server.path = path
    return server.wait_for(unix_ready(path), "listen")


class Redis(Server):
    """A real redis-server on a Unix socket, with an append-only file and nothing that would disturb it."""

    def __init__(self, scratch, scripts):
        self.path = os.path.join(scratch, "redis.sock")
        directory = os.path.join(scratch, "redis")
        os.mkdir(directory)
        super().__init__(["redis-server", "--port", "0", "--unixsocket", self.path, "--dir", directory, "--save", "",
                          "--appendonly", "yes", "--appendfsync", "no", "--auto-aof-rewrite-percentage", "0"],
                         os.path.join(scratch, "redis.log"))
        self.wait_for(unix_ready(self.path), "listen")
        self.scripts = scripts
        self.decide = self.script("decide.lua")

    def script(self, name):
        with open(os.path.join(self.scripts, name)) as f:
            return self.call("SCRIPT", "LOAD", f.read())

    def call(self, *words):
        """One command; strings and integers are all that is answered."""
        message = f"*{len(words)}\r\n".encode()
        for word in words:
            data = str(word).encode()
            message += b"$%d\r\n%s\r\n" % (len(data), data)
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.path)
            s.sendall(message)
            reply = s.makefile("rb")
            line = reply.readline().strip().decode()
            if line.startswith("-"):
                raise RuntimeError(f"redis answered {line} to {words[0]}")
            return reply.read(int(line[1:])).decode() if line.startswith("$") else line[1:]

    def populate(self, accounts, people):
        sha = self.script("preload.lua")
        for first in range(0, accounts, ACCOUNTS_AT_ONCE):
            self.call("EVALSHA", sha, 0, first, min(first + ACCOUNTS_AT_ONCE, accounts) - 1)
        with open(people, "w") as f:
            for i in range(accounts):
                f.write(f"sess_{hashlib.sha1(b's%d' % i).hexdigest()[:26]} account-{i:08d}\n")

    def appendfsync(self, mode):
        self.call("CONFIG", "SET", "appendfsync", mode)


def certificates(directory):
    """A CA, a server's certificate for localhost and a client's, as ca.pem, server.pem/.key, client.pem/.key."""
    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=directory, check=True, capture_output=True)

    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    os.makedirs(directory, exist_ok=True)
    openssl("req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Benchmark CA", "-days", "2",
            "-addext", "keyUsage=critical,keyCertSign")
    for name, usage in (("server", "serverAuth"), ("client", "clientAuth")):
        with open(os.path.join(directory, name + ".ext"), "w") as f:
            f.write(f"extendedKeyUsage={usage}\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n")
        openssl("req", *new_key, "-keyout", name + ".key", "-out", name + ".csr", "-subj", f"/CN=benchmark {name}")
        openssl("x509", "-req", "-in", name + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days",
                "2", "-extfile", name + ".ext", "-out", name + ".pem")
        os.chmod(os.path.join(directory, name + ".key"), 0o600)


NGINX_CONF = """
daemon off; worker_processes 1; pid {d}/nginx.pid; error_log {d}/error.log; {user}
events {{ worker_connections 1024; }}
http {{
    access_log off; keepalive_requests 1000000000; keepalive_timeout 600;
    client_body_temp_path {d}/body; proxy_temp_path {d}/proxy; fastcgi_temp_path {d}/fastcgi;
    uwsgi_temp_path {d}/uwsgi; scgi_temp_path {d}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {tls}/server.pem; ssl_certificate_key {tls}/server.key;
        ssl_client_certificate {tls}/ca.pem; ssl_verify_client on;
        location / {{ default_type application/json; return 200 '{answer}'; }}
    }}
}}
"""

FIXED_ANSWER = ('{"decision":true,"context":{"outcome":"permit","reason":"allowance","hold":{"id":'
                '"hold_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","state":"open","expires_at":"2030-01-01T00:00:00Z"}}}')


def nginx(scratch, tls):
    """nginx, one worker, a fixed answer over TLS to a client with a certificate."""
    directory, port = os.path.join(scratch, "nginx"), free_port()
    os.mkdir(directory)
    conf = os.path.join(directory, "nginx.conf")
    with open(conf, "w") as f:
        f.write(NGINX_CONF.format(d=directory, port=port, tls=tls, answer=FIXED_ANSWER,
                                  user="user root;" if os.getuid() == 0 else ""))
    server = Server(["nginx", "-p", directory, "-c", conf, "-e", f"{directory}/error.log"],
                    os.path.join(scratch, "nginx.log"))
    server.port = port
    return server.wait_for(tcp_ready(port), "listen")
