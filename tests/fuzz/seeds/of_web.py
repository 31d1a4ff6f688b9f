"""Seeds of what is in `on_web`: a request's body and each header, by its door."""

import json
import uuid

from tests import factories
from tests.fuzz.seeds import Seeds
from tests.fuzz.seeds.of_csrs import to_der


def web() -> Seeds:
    pem = factories.openssl_csr()
    one = {"csr": pem.decode(), "profile": "server", "comment": "<q>[b]"}
    yield "json", b"\0" + json.dumps(one).encode()
    yield "batch", b"\1" + json.dumps({"requests": [one, {"csr": "x"}, 7]}).encode()
    yield "der", b"\2" + to_der(pem)
    yield "pem", b"\3" + pem
    for door, texts in {
        4: ("application/json; charset=utf-16", "text/plain", "<q>"),
        5: ("state=issued&limit=2", "cursor=AAAA", "limit=0", "state=%00<q>"),
        6: ("application/pkix-cert", "*/*;q=0.1, application/pkcs7-mime", "application/x-pem-file"),
        7: ("wait=0", "respond-async; wait=1", 'wait="00"'),
        8: ("key", '"quoted"', "k" * 300),
        9: ("Bearer abc", "Basic eDp5", "Bearer "),
        10: ("ca", "requests/x", "static/../x", "%00", "api/v1/requests/" + str(uuid.UUID(int=1)), "language/de?to=//x"),
        11: ("csr=<q>&profile=server&comment=<q>&step=send", "csr=&key=k"),
        13: ("de, en;q=0.5", "*", "de-<q>"),
        14: ("session=eyJ.x.y; language=de", "session=<q>"),
        15: ("limit=3", "limit=x"),
    }.items():  # fmt: skip
        for number, text in enumerate(texts):
            yield f"{door}-{number}", bytes((door,)) + text.encode()
    form = {"csr": pem.decode().replace("+", "%2B"), "profile": "server", "comment": "hello"}
    yield "form", b"\13" + "&".join(f"{key}={value}" for key, value in form.items()).encode()
    part = b'--xx\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
    upload = part % (b"profile", b"", b"server") + part % (b"file", b'; filename="<q>.csr"', pem)
    yield "multipart", b"\14" + upload + b"--xx--\r\n"
