# SPDX-License-Identifier: Apache-2.0
"""plugin install, verify, remove and sign: the real worker and a real plugin, without a daemon."""
import hashlib
import json
import os
import shutil
import stat
import subprocess

import pytest

CONF = """realm "example"
run-directory "/run/nowhere"
state-directory "{0}"
listen service "/run/nowhere/socket"
store mem
stacks "services"
{1}
"""


@pytest.fixture
def place(tmp_path, build):
    """A directory with a configuration, a plugin directory, and a plugin that came by mail."""
    for name in ("services", "plugins", "mail"):
        (tmp_path / name).mkdir(mode=0o755)
    (tmp_path / "services/other").write_text("spend requisite deny\n")
    shutil.copyfile(build / "plugins/.libs/totp.so", tmp_path / "mail/totp.so")
    configure(tmp_path)
    return tmp_path


def configure(place, text=""):
    (place / "countersign.conf").write_text(CONF.format(place, text))


@pytest.fixture
def plugin(run, place, build):
    """plugin(words...) -> what `countersignctl plugin` did there."""
    def call(verb, *words):
        places = ["-f", place / "countersign.conf", "--plugins", place / "plugins"]
        return run("plugin", verb, *words, *places, *(["--libexec", build, "--untested"] if verb == "install" else []))
    return call


@pytest.fixture
def key(place):
    """A key that signs plugins, and is trusted."""
    def openssl(*words):
        subprocess.run(["openssl", *words], check=True, capture_output=True)
    openssl("genpkey", "-algorithm", "ed25519", "-out", place / "author.pem")
    (place / "author.pem").chmod(0o600)
    (place / "trusted-plugins").mkdir(mode=0o755)
    openssl("pkey", "-in", place / "author.pem", "-pubout", "-out", place / "trusted-plugins/author.pub")
    (place / "trusted-plugins/author.pub").chmod(0o644)
    return place / "author.pem"


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def there(place):
    return sorted(path.name for path in (place / "plugins").iterdir())


def test_a_plugin_is_installed_whole_with_its_mode(place, plugin):
    done = plugin("install", place / "mail/totp.so", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["plugin"], said["signature"], said["used_by"]) == ("totp", "none", "")
    assert said["pin"] == "sha256:" + digest(place / "mail/totp.so")
    assert there(place) == ["totp.so"]
    status = (place / "plugins/totp.so").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid) == (0o644, os.geteuid())
    assert digest(place / "plugins/totp.so") == digest(place / "mail/totp.so")


def test_over_a_running_one_it_is_another_file_and_says_what_to_do(place, plugin):
    """Never written in place: who has the old one loaded goes on with it."""
    plugin("install", place / "mail/totp.so")
    configure(place, f'factor "totp" {{ plugin "totp" pin sha256:{"0" * 64} }}')
    with open(place / "plugins/totp.so", "rb") as old:
        done = plugin("install", place / "mail/totp.so")
        assert os.fstat(old.fileno()).st_nlink == 0
    assert done.returncode == 0 and "factor totp" in done.stdout
    assert f"Write  pin sha256:{digest(place / 'mail/totp.so')}" in done.stdout
    assert "countersignctl reload" in done.stdout


@pytest.mark.parametrize("content", [b"", b"no plugin\n", b"\x7fELF" + bytes(100)], ids=["empty", "text", "header"])
def test_what_is_no_plugin_is_not_installed_and_the_old_one_stays(place, plugin, content):
    plugin("install", place / "mail/totp.so")
    before = digest(place / "plugins/totp.so")
    (place / "mail/totp.so").write_bytes(content)
    done = plugin("install", place / "mail/totp.so")
    assert done.returncode == 5 and "not a plugin that a worker would load" in done.stderr
    assert there(place) == ["totp.so"] and digest(place / "plugins/totp.so") == before


def test_a_file_that_is_not_what_was_announced(place, plugin):
    done = plugin("install", place / "mail/totp.so", "--pin", "sha256:" + "0" * 64)
    assert done.returncode == 1 and "is not the file of this pin: it has sha256:" + digest(place / "mail/totp.so") in done.stderr
    assert plugin("install", place / "mail/totp.so", "--pin", "abc").returncode == 2
    assert there(place) == []
    assert plugin("install", place / "mail/totp.so", "--pin", digest(place / "mail/totp.so")).returncode == 0


@pytest.mark.parametrize("spoil, why", [
    (lambda p: (p / "plugins").chmod(0o777), "others can write to its directory; chmod go-w it"),
    (lambda p: shutil.rmtree(p / "plugins"), "cannot open the plugin directory"),
    (lambda p: (p / "mail/totp.so").rename(p / "mail/to tp.so"), "No such file"),
    (lambda p: ((p / "mail/totp.so").unlink(), (p / "mail/totp.so").mkdir()), "it is no regular file")])
def test_where_and_what_it_may_not_be(place, plugin, spoil, why):
    spoil(place)
    done = plugin("install", place / "mail/totp.so")
    assert done.returncode != 0 and why in done.stderr and done.stderr.count("\n") == 1


def test_a_name_that_no_block_could_write(place, plugin):
    assert "rename it" in plugin("install", place / "mail/to tp.so").stderr
    assert "rename it" in plugin("install", place / "mail/.so").stderr


def test_signed_installed_and_verified(run, place, plugin, key):
    configure(place, 'plugins { require signature }\nfactor "totp" { plugin "totp" }')
    done = plugin("install", place / "mail/totp.so")
    assert done.returncode == 1 and f"put {place}/mail/totp.so.sig beside it" in done.stderr
    done = run("plugin", "sign", place / "mail/totp.so", "--key", key, "--json")
    assert json.loads(done.stdout)["sha256"] == digest(place / "mail/totp.so"), done.stderr
    done = plugin("install", place / "mail/totp.so", "--json")
    assert (json.loads(done.stdout)["signature"], json.loads(done.stdout)["signer"]) == ("good", "author.pub")
    assert there(place) == ["totp.so", "totp.so.sig"]
    row, = json.loads(plugin("verify", "--json").stdout)
    assert (row["plugin"], row["used_by"], row["state"], row["signer"]) == ("totp", "factor totp", "ok", "author.pub")
    # Written over in its place, as a copy does that is not `install`.
    with open(place / "plugins/totp.so", "ab") as file:
        file.write(b"\0")
    done = plugin("verify")
    assert done.returncode == 5 and "failed" in done.stdout
    assert f"plugin {place}/plugins/totp.so: it is not the file that was signed" in done.stderr


def test_a_signature_of_a_stranger_or_of_another_file(run, place, plugin, key):
    stranger = place / "stranger.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", stranger], check=True, capture_output=True)
    stranger.chmod(0o600)
    run("plugin", "sign", place / "mail/totp.so", "--key", stranger)
    done = plugin("install", place / "mail/totp.so")
    assert done.returncode == 1 and "no trusted key made its signature" in done.stderr
    run("plugin", "sign", place / "mail/totp.so", "--key", key)
    (place / "mail/totp.so.sig").rename(place / "mail/other.so.sig")
    (place / "mail/totp.so").rename(place / "mail/other.so")
    done = plugin("install", place / "mail/other.so")
    assert done.returncode == 1 and 'it was signed as "totp", not as "other"' in done.stderr
    assert there(place) == []


def test_a_signature_can_be_checked_with_openssl(run, place, key):
    """The format is what the manual says it is: others can make and check it."""
    run("plugin", "sign", place / "mail/totp.so", "--key", key)
    lines = (place / "mail/totp.so.sig").read_text().splitlines()
    assert lines[:3] == ["countersign-plugin-signature 1", "plugin totp", "sha256 " + digest(place / "mail/totp.so")]
    (place / "text").write_text("\n".join(lines[:3]) + "\n")
    encoded = lines[4].split(" ")[1].replace("-", "+").replace("_", "/") + "=="
    (place / "bytes").write_bytes(subprocess.run(["openssl", "base64", "-d", "-A"], input=encoded.encode(), capture_output=True).stdout)
    done = subprocess.run(["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", place / "trusted-plugins/author.pub",
                           "-in", place / "text", "-sigfile", place / "bytes"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("spoil, why", [
    (lambda k: k.chmod(0o640), "chmod 600 it"), (lambda k: k.write_text("no key\n"), "openssl genpkey"),
    (lambda k: k.unlink(), "No such file")])
def test_a_key_that_does_not_sign(run, place, key, spoil, why):
    spoil(key)
    done = run("plugin", "sign", place / "mail/totp.so", "--key", key)
    assert done.returncode == 1 and str(key) in done.stderr and why in done.stderr
    assert not (place / "mail/totp.so.sig").exists()
    assert "openssl genpkey" in run("plugin", "sign", place / "mail/totp.so").stderr


def test_remove_only_what_nobody_uses(place, plugin):
    plugin("install", place / "mail/totp.so")
    (place / "plugins/totp.so.sig").write_text("")
    configure(place, 'factor "totp" { plugin "totp" }')
    done = plugin("remove", "totp")
    assert done.returncode == 1 and "totp is used by factor totp: remove that from the configuration" in done.stderr
    configure(place)
    assert plugin("remove", "totp").returncode == 0 and there(place) == []
    done = plugin("remove", "totp")
    assert done.returncode == 3 and "plugin list" in done.stderr
    assert plugin("remove", "../mail/totp").returncode == 2 and (place / "mail/totp.so").exists()


def test_verify_says_who_is_who(place, plugin):
    plugin("install", place / "mail/totp.so")
    configure(place, f'factor "totp" {{ plugin "totp" pin sha256:{digest(place / "mail/totp.so")} }}\nrisk "r" {{ plugin "absent" }}')
    shutil.copyfile(place / "mail/totp.so", place / "plugins/spare.so")
    (place / "plugins/spare.so").chmod(0o666)
    rows = {row["plugin"]: row for row in json.loads(plugin("verify", "--json").stdout)}
    assert (rows["totp"]["state"], rows["totp"]["pinned"], rows["totp"]["sha256"]) == ("ok", "yes", digest(place / "mail/totp.so"))
    assert "there is no such file" in rows["absent"]["problem"] and "others can write to it" in rows["spare"]["problem"]
    assert plugin("verify", "totp").returncode == 0
    assert plugin("verify", "spare").returncode == 5
    done = plugin("verify", "nobody")
    assert done.returncode == 3 and "there is no plugin nobody" in done.stderr
