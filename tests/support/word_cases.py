"""More rows for ``rule_table``: the words that the first table does not have."""

from __future__ import annotations

from tests.support.rule_cases import head

DOCUMENT = (
    r"{\"s\":\"text\",\"i\":42,\"n\":-7,\"f\":1.5,\"t\":true,\"b\":false,\"z\":null,\"a\":[1,\"two\",{\"k\":3}],"
    r"\"o\":{\"k\":\"v\",\"o\":{\"x\":\"deep\"}},\"my.key\":\"dotted\"}"
)
TOKEN = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJtZSIsIm4iOjV9."
    "sCi9rhrFz6wKzU6R7BOTtAWDIAVShnHJPWBdnLeLbi0"
)
LANGUAGES = head("GET /a HTTP/1.1", "Host: h:81", "Accept-Language: de;q=0.5, fr-CA;q=0.8, en-US, es;q=0")
BEARER = head(
    "GET /a HTTP/1.1", "Host: h", "Authorization: Bearer abc.def", "X-Token: Any xyz", "X-Other: Bearer two"
)

_HASHED = ("str()", "str(a)", "str(hello world)", "bin(00ff10)", "path")
_HASHES = ("crc32", "crc32c", "djb2", "sdbm", "wt6", "xxh32", "xxh64", "xxh3")

SAMPLES = [
    *(f"{sample},{name}{argument}" for sample in _HASHED for name in _HASHES for argument in ("", "(1)")),
    "str(abc),xxh64(12345)",
    "str(abc),xxh32(4294967295)",
    *(f"str(abc),digest({name}),hex" for name in ("md5", "sha1", "sha256", "sha384", "sha512", "sha3-256")),
    *(f"str(abc),hmac({name},a2V5),hex" for name in ("md5", "sha1", "sha256", "sha512")),
    "str(a2V5),set-var(txn.k),hmac(sha256,txn.k),hex",
    "str(abc),hmac(sha256,txn.none),hex",
    "str(abc),set-var(txn.k),secure_memcmp(txn.k)",
    "str(abc),secure_memcmp(txn.none)",
    "bin(01020304050607),be2dec(:,2)",
    "bin(01020304050607),be2dec(-,2,1)",
    "bin(01020304050607),be2dec(,2,1)",
    "bin(7f000001),be2dec(.,1)",
    "bin(ffffffffffffffff),be2dec(.,8)",
    "bin(01020304050607),be2hex",
    "bin(01020304050607),be2hex(:,2)",
    "bin(01020304050607),be2hex(--,2,1)",
    "bin(0102030405060708),be2hex(,3,1)",
    *(
        f'str("{DOCUMENT}"),json_query("{path}")'
        for path in ("$.s", "$.i", "$.n", "$.f", "$.t", "$.b", "$.z", "$.a[0]", "$.a[1]", "$.a[9]", "$.o")
    ),
    *(
        f'str("{DOCUMENT}"),json_query("{path}")'
        for path in ("$.o.k", "$.o.o.x", "$.a[2].k", "$.none", "$.o.none", "$.s.x")
    ),
    *(f'str("{DOCUMENT}"),json_query("$.{name}",int)' for name in ("i", "n", "f", "t", "s", "z")),
    f'str("{DOCUMENT}"),json_query("$.i",int),add(1)',
    'str("not json"),json_query("$.a")',
    f'str({TOKEN}),jwt_header_query("$.alg")',
    f'str({TOKEN}),jwt_payload_query("$.iss")',
    f'str({TOKEN}),jwt_payload_query("$.n",int)',
    f"str({TOKEN}),jwt_verify(HS256,secret)",
    f"str({TOKEN}),jwt_verify(HS256,other)",
    f"str({TOKEN}),jwt_verify(HS512,secret)",
    "str(a.b),jwt_verify(HS256,secret)",
    "str(a.b.c.d),jwt_verify(HS256,secret)",
    "str(www.example.com:80),host_only",
    "str(www.example.com:80),port_only",
    "str(www.example.com),host_only",
    "str(www.example.com),port_only",
    'str("[::1]:443"),host_only',
    'str("[::1]:443"),port_only',
    'str("[::1]"),host_only',
    'str("[::1]"),port_only',
    "req.hdr(host),host_only",
    "req.hdr(host),port_only",
    "base32",
    "url32",
    "base32+src,hex",
    "url32+src,hex",
    "req.hdrs_bin,hex,length",
    "req.hdr_names,lower",
    'req.hdr_names("-"),lower',
    "fc_http_major",
    "fc_err",
    "fc_err_str",
    "fc_pp_authority",
    "fc_pp_unique_id",
    "so_id",
    "so_name",
    "fe_defbe",
    "nbproc",
    "proc",
    "stopping",
    "ssl_fc_alg_keysize",
    "ssl_fc_has_crt",
    "ssl_c_s_dn",
    "ssl_c_s_dn(CN)",
    "ssl_c_der",
    "ssl_f_sha1",
    "unique-id",
    "http_auth_bearer",
    "int(1500000000),ltime(%Y)",
    "int(1500000000),http_date(0,s)",
    "int(1500000000123456),http_date(0,us)",
    "str(a),concat(txn.none)",
    "str(x),capture-req(0)",
    "bool(true),not",
    "bool(false),iif(a,b)",
    "int(3),iif(a,b)",
    "ipv4(10.1.2.3),add(1)",
    "ipv4(10.1.2.3),hex",
    "ipv6(2001:db8::1),hex",
    "meth(GET),upper",
    "meth(get),length",
    "rand(1)",
    'str("a,b"),length',
    "str(abc),bytes(1,1),hex",
    "str(a b c),word(2, )",
    "str(abc),length,add(1),mul(2)",
    "str(/a/b),field(-1,/),upper",
    "bin(616263),length",
    "bin(610062),length",
    "bin(610062),hex,length",
    "int(300),bytes(7),hex",
    "str(0x10),add(0)",
    "str( 12),add(0)",
    "str(9999999999999999999999),add(0)",
    "str(10.0.0.1),ipmask(8),add(1)",
    "method",
    "str(GET),set-var(txn.m),strcmp(txn.m)",
    "str(GEU),strcmp(txn.m)",
]

SAMPLES_OF = [
    *(
        ("req.fhdr(accept-language)," + f"language({what})", LANGUAGES)
        for what in ("fr;en;de", "fr;de", "es")
    ),
    ("req.fhdr(accept-language),language(es,dflt)", LANGUAGES),
    ("req.fhdr(accept-language),language(en-US;fr)", LANGUAGES),
    ("req.fhdr(accept-language),language(fr-CA;fr)", LANGUAGES),
    ("req.fhdr(x-none),language(fr,en)", LANGUAGES),
    ("req.hdr(host),port_only", LANGUAGES),
    ("http_auth_bearer", BEARER),
    ("http_auth_bearer(x-token)", BEARER),
    ("http_auth_bearer(x-none)", BEARER),
    ("http_auth_bearer(x-other)", BEARER),
    ("http_auth_bearer", head("GET / HTTP/1.1", "Host: h", "Authorization: Basic YTpi")),
    ("base32", head("GET / HTTP/1.0")),
    ("url32", head("GET /?a HTTP/1.1", "Host: h")),
    ("base32", head("GET http://h/x?y HTTP/1.1", "Host: h")),
]

CONDITIONS = [
    "{ path,crc32 gt 5 }",
    "{ stopping }",
    "{ so_id 1 }",
    "{ base32 -m found }",
    "{ str(abc),digest(sha1),hex -m beg A9993E }",
    '{ \'str("[1]"),json_query("$[0]")\' -m str 1 }',
    "{ src -f {addresses} }",
    "{ src,map_ip({networks}) -m found }",
    "{ path -f {prefixes} }",
    "{ path -m beg -f {prefixes} }",
    "{ path -m sub -i -f {prefixes} }",
    "{ path_beg -f {prefixes} }",
    "{ path_reg -f {regexes} }",
    "{ path -m reg -i -f {regexes} }",
    "{ path_end -f {suffixes} .nothing }",
    "{ path_end -f {suffixes} .html }",
    "{ path -m str -M -f {map} }",
    "{ req.hdr(host) -m sub -M -f {map} }",
    "{ url_param(x) -m int -f {integers} }",
    "{ req.hdr_cnt(x-list) -f {integers} }",
    "{ req.hdr(x-list),length -m int 0:3 }",
    "{ path -m len -f {integers} }",
    "{ req.ver 1.1 }",
    "{ req.hdrs -m sub Mozilla }",
    "{ path -m bin 2f612f622f632e68746d6c }",
    "{ path -m bin -f {hexadecimal} }",
    "{ req.hdr(x-ip) -m ip 10.0.0.0/8 }",
    "{ req.hdr_ip(x-ip) -f {addresses} }",
    "{ src -n -f {addresses} }",
    "{ method -f {methods} }",
    "TRUE !FALSE",
    "FALSE or TRUE",
    "TRUE FALSE or FALSE",
    "!{ always_false } METH_GET",
    "METH_GET !METH_POST HTTP_1.1 !HTTP_1.0",
]

FILES = {
    "addresses": "# some\n198.51.100.0/24\n2001:db8::/32\n\n10.0.0.1\n",
    "prefixes": "/a/b\n/X\n",
    "regexes": "^/A\n\\.html$\n",
    "suffixes": ".html\n.css\n",
    "integers": "3\n7:9\n",
    "hexadecimal": "2f61\n2f612f622f632e68746d6c\n",
    "methods": "POST\nGET\n",
}
