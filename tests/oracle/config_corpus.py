"""Configurations, good and bad: every option of the configuration sheet, and files as people have them."""

# Values that are wrong for nearly everything, one of each type of the language.
TYPES = ["5", "1.5", "true", "x", '"x y"', '""', "[]", "[a, 5 ]", "{}", "{foo: 1}", "2026-01-01T00:00:00Z"]

# (option, further values): each is tried with TYPES, too.
TOP = {
    "listen": ["0", "99999", "\"h:70000\"", '"127.0.0.1:4222"', '":4222"', '"[::1]:4222"', '"a:b"', '"1.2.3.4:5:6"', '"a"', "-1"],
    "host": ["127.0.0.1", "localhost"], "net": ["127.0.0.1"], "port": ["-1", "0", "4222", '"4222"'],
    "client_advertise": ["a.b.c", '"a.b:4222"', '"[::1]:4222"'],
    "server_name": ["n1", '"a b"'], "server_tags": ["a", '["a","b"]', '"a b"'], "server_metadata": ["{a: b}", "{a: 5 }", '{a: ""}'],
    "feature_flags": ["{js_ack_fc_v2: true}", "{x: false}", "{a: 5 }"],
    "pid_file": ["/tmp/x"], "pidfile": ["/tmp/x"], "ports_file_dir": ["/tmp"],
    "http": ['"127.0.0.1:8222"', "8222", '":8222"', '"a:b"'], "http_port": ["8222"], "monitor_port": ["8222"],
    "http_base_path": ["/a", '"a/b"'],
    "https": ['"127.0.0.1:8222"'], "https_port": ["8222"], "prof_port": ["0"], "prof_block_rate": ["0"],
    "system_account": [], "system": [], "no_system_account": ["false"], "no_system": [], "no_sys_acc": [], "no_auth_user": [],
    "default_sentinel": [], "trusted_keys": [], "trusted": ["[]"], "resolver_pinned_accounts": [],
    "connect_error_reports": ["0", "7"], "reconnect_error_reports": ["0", "7"],
    "disable_sublist_cache": ["false"], "no_sublist_cache": [], "no_header_support": ["false"], "proxy_protocol": ["false"], "allow_non_tls": ["false"],
    "debug": ["false", "on", "no", "YES"], "trace": ["false"], "trace_verbose": ["false"], "trace_headers": [], "logtime": ["off"], "logtime_utc": [],
    "log_file": ["/tmp/x"], "logfile": [], "log_size_limit": ["10MB", "0"], "logfile_size_limit": [], "log_max_num": ["3"], "logfile_max_num": [],
    "syslog": [], "remote_syslog": ['"udp://127.0.0.1:514"'], "max_traced_msg_len": ["0", "100"],
    "max_connections": ["0", "-1", "64k", "100000"], "max_conn": [], "max_subscriptions": ["0", "-1", "100"], "max_subs": [],
    "max_sub_tokens": ["1", "255", "256", "0", "-1"], "max_subscription_tokens": [],
    "max_control_line": ["4KB", "2147483648", "65536", "0"], "max_payload": ["8MB", "2147483648", "1KB", "0"],
    "max_pending": ["64MB", "0", "100MB"], "max_closed_clients": ["0", "100"],
    "ping_interval": ['"2m"', "30s", '"1h30m"', '"5"', '"1x"', "10", '"-"'], "ping_max": ["0", "3"],
    "write_deadline": ['"10s"', "2s", '"5x"', "7"], "write_timeout": ["default", "close", "retry", "Close"], "no_fast_producer_stall": ["false"],
    "lame_duck_duration": ['"30s"', '"29s"', "3m0s", '"5x"', "60"], "lame_duck_grace_period": ['"0s"', '"-1s"', '"5x"', "3"],
    "foo": [], "unknown_field": [],
}

TLS = ["cert_file: x", "key_file: x", "cert_file: 5 ", "ca_file: 5 ", "certs: 5 ", "certs: [{cert_file: a}]", "verify: 5 ", "verify: true",
       "verify_and_map: x", "verify_cert_and_check_known_urls: true", "verify_cert_and_check_known_urls: 5 ", "insecure: true", "insecure: x",
       "cipher_suites: []", "cipher_suites: [foo]", "cipher_suites: 5 ", "cipher_suites: [5 ]", "cipher_suites: [TLS_AES_128_GCM_SHA256]",
       "cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]", "cipher_suites: [TLS_RSA_WITH_RC4_128_SHA], allow_insecure_cipher_suites: true",
       "cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256]", "allow_insecure_cipher_suites: 5 ",
       "curve_preferences: []", "curve_preferences: [foo]", "curve_preferences: [CurveP256, X25519]", "curve_preferences: 5 ", 'min_version: "1.1"', 'min_version: "1.0"',
       'min_version: "1.3"', "min_version: x", "min_version: 5 ", "timeout: x", "timeout: 5 ", "timeout: 0.5", "timeout: true", "connection_rate_limit: x",
       "connection_rate_limit: 5 ", "pinned_certs: 5 ", "pinned_certs: [x]", "pinned_certs: [5 ]", "pinned_certs: [\"" + "a1" * 32 + "\"]",
       "handshake_first: x", "handshake_first: 5 ", "handshake_first: true", "handshake_first: auto", 'handshake_first: "5ms"', "first: x", "immediate: x",
       "cert_match: x", "ocsp_peer: 5 ", "ocsp_peer: false", "foo: 1"]

AUTH = ["user: a", "user: a, pass: b", "username: a, password: b", "user: a, pass: b, token: c", "token: a", "token: a, users: []", "user: a, users: []",
        "user: 5 ", "pass: 5 ", "token: 5 ", "users: []", "users: 5 ", "users: x", "users: {}", "users: [x]", "users: [5 ]", "users: [{}]", "users: [{user: x}]",
        "users: [{pass: x}]", "users: [{user: x, pass: y}]", "users: [{username: x, password: y}]", "users: [{user: x, pass: y}, {user: x, pass: z}]",
        "users: [{user: x, pass: 5 }]", "users: [{user: 5 }]", "users: [{user: x, foo: 1}]", "users: [{nkey: x}]", "users: [{nkey: 5 }]",
        "users: [{nkey: UC6NLCN7AS34YOJVCYD4PJ3QB7QGLYG5B5IMBT25VW5K4TNUJODM7BOX}]",
        "users: [{nkey: UC6NLCN7AS34YOJVCYD4PJ3QB7QGLYG5B5IMBT25VW5K4TNUJODM7BOX, user: x}]",
        "users: [{user: x, allowed_connection_types: [FOO, bar, MQTT]}]", "users: [{user: x, connection_types: STANDARD}]",
        "users: [{user: x, clients: [standard, Websocket, LEAFNODE, leafnode_ws, MQTT, MQTT_WS, IN_PROCESS]}]", "users: [{user: x, clients: 5 }]",
        "users: [{user: x, clients: [5 ]}]", "users: [{user: x, proxy_required: 5 }]", "users: [{user: x, proxy_required: true}]", "timeout: 5 ", "timeout: 1.5",
        'timeout: "2s"', "timeout: 60", "timeout: 61", 'timeout: "70s"', "timeout: 70.5", "timeout: x", "timeout: true", "timeout: []",
        "proxy_required: 5 ", "proxy_required: false", "proxy_required: true", "auth_callout: 5 ", "auth_callout: {}", "auth_callout: {issuer: x}",
        "auth_callout: {issuer: x, auth_users: [a]}", "foo: 1", "users: [{user: x, pass: \"$2a$11$abcdefghijklmnopqrstuuRSKLK5SiDX6mJqCgpxfGS6VKWo1v8mq\"}]"]

PERMS = ["5 ", "x", "{}", "{foo: 1}", "{publish: a}", "{pub: [a, b.*, c.>]}", "{import: a}", "{publish: 5 }", "{publish: [5 ]}", '{publish: ""}', "{publish: []}",
         "{publish: {}}", "{publish: {allow: a}}", "{publish: {deny: [a, b]}}", "{publish: {allow: []}}", "{publish: {foo: 1}}", "{publish: {allow: 5 }}",
         '{publish: "a..b"}', '{publish: "a b"}', '{publish: "a.>.b"}', '{publish: " "}', '{subscribe: "a"}', '{sub: "a q"}', '{export: "a  q.*"}', '{subscribe: "a q r"}',
         '{subscribe: "a..b q"}', '{subscribe: "a q..r"}', "{subscribe: 5 }", "{subscribe: [a, 5 ]}", "{subscribe: {deny: \"a q\"}}", "{allow_responses: true}",
         "{allow_responses: false}", "{allow_responses: 5 }", "{publish_allow_responses: {}}", "{allow_responses: {max: 5, expires: \"1m\"}}",
         "{allow_responses: {max_msgs: -1, ttl: \"-1s\"}}", "{allow_responses: {max: x}}", "{allow_responses: {expires: 5 }}", "{allow_responses: {expires: x}}",
         "{allow_responses: {max_messages: 1, expiration: \"5s\"}}", "{allow_responses: {foo: 1}}", "{allow_responses: {max_responses: 0 }}"]

MAPPINGS = ["5 ", "[a]", "{}", "{a: b}", '{"a.*": "b.$1", "c.>": "d.>"}', '{"a.*.*": "{{wildcard(2)}}.{{partition(3,1)}}"}', "{a..b: b}", "{a: 5 }", '{a: ""}',
            "{a: []}", "{a: {}}", "{a: {dest: b}}", "{a: {dest: b, weight: 50}}", '{a: {destination: b, weight: "50%"}}', "{a: {dest: b, weight: x}}",
            "{a: {dest: b, weight: 101}}", '{a: {dest: b, weight: "101%"}}', "{a: {dest: b, weight: -1}}", "{a: {weight: 5}}", "{a: {dest: 5, weight: 5}}",
            "{a: [{dest: b, weight: 60}, {dest: c, weight: 60}]}", "{a: [{dest: b, weight: 60}, {dest: b, weight: 10}]}", "{a: [{dest: b, weight: 60, foo: 1}]}",
            "{a: [{dest: b, weight: 60}, {dest: c, weight: 60, cluster: x}]}", "{a: [b]}", "{a: [{dest: b, weight: 10, cluster: 5}]}", '{"a.*": "b.$2"}',
            '{"a.*": "b.{{foo(1)}}"}', '{"a.*": "b..c"}', '{"a.*": [{dest: "b.$3", weight: 10}]}', '{"a.>": b}', '{a: "b.*"}', '{"a.*": "b.{{split(1)}}"}',
            '{"a.*": "b.{{partition(x,1)}}"}', '{"a.*": "b.{{SplitFromLeft(1,2,3)}}"}', "{a: true}", "{a: {dest: b, weight: 0}}", "{a: [{dest: a, weight: 50}]}"]

CLUSTER = ["port: -1", "listen: \"0.0.0.0:6222\"", "listen: x", "listen: -1", "host: 5 ", "net: \"127.0.0.1\"", "port: x", "name: c, port: 6222", 'name: "a b"', "name: 5 ",
           "routes: x", "routes: []", "routes: [5 ]", 'routes: ["nats://a:1", "nats://b:1"]', 'routes: ["nats://a:1", "nats://a:1"]', "permissions: {}",
           "permissions: {import: a, export: [b]}", "permissions: {foo: 1}", "pool_size: x", "pool_size: -1", "accounts: A", "accounts: [A, B]", "accounts: [5 ]",
           "compression: foo", "compression: true", "compression: 5 ", "compression: {mode: s2_auto, rtt_thresholds: [10ms, 50ms]}", "compression: {mode: x, foo: 1}",
           "compression: {mode: auto, rtt_thresholds: [x]}", "ping_interval: 5 ", 'ping_interval: "5m"', 'ping_interval: "5x"', "ping_max: x", "connect_retries: x", "connect_retries: 5 ",
           "connect_backoff: 5 ", "connect_backoff: true", "no_advertise: 5 ", "advertise: 5 ", "cluster_advertise: x", "write_deadline: x", "write_deadline: 5 ", "write_timeout: x",
           "write_timeout: retry", "authorization: {user: a, password: b, timeout: 1}", "authorization: {token: a}", "authorization: {users: []}", "authorization: {foo: 1}",
           "authorization: {user: a, permissions: {publish: a}}", "foo: 1", "tls: 5 "]

GATEWAY = ["name: A, port: 7222", 'name: "a b"', "name: 5 ", "listen: x", "host: 5 ", "port: x", "gateways: []", "gateways: [5 ]", "gateways: [{}]", "gateways: [{foo: 1}]",
           'gateways: [{name: B, url: "nats://b:1"}, {name: C, urls: ["nats://c:1"]}]', "gateways: [{name: 5 }]", "gateways: [{name: x, urls: 5 }]", "reject_unknown: 5 ",
           "reject_unknown_cluster: true", "authorization: {users: []}", "authorization: {token: x}", "authorization: {user: a, pass: b}", "connect_retries: x", "connect_backoff: 5 ",
           "advertise: 5 ", "write_deadline: x", "write_timeout: close", "foo: 1", "tls: {foo: 1}"]

LEAF = ["port: 7422", "listen: x", "listen: \"0.0.0.0:7422\"", "host: 5 ", "remotes: []", "remotes: [5 ]", "remotes: [{}]", "remotes: [{foo: 1}]", 'remotes: [{url: "nats://a"}]',
        'remotes: [{urls: ["nats://a", "nats://b"]}]', "remotes: [{url: 5 }]", 'remotes: [{url: "nats://a", account: 5 }]', 'remotes: [{url: "nats://a", hub: 5 }]',
        'remotes: [{url: "nats://a", hub: true, no_randomize: true, compression: s2_auto, first_info_timeout: "1s", disabled: true}]',
        'remotes: [{url: "nats://a", deny_imports: 5 }]', 'remotes: [{url: "nats://a", deny_imports: [a, b], deny_export: c}]', 'remotes: [{url: "nats://a", tls: {foo: 1}}]',
        'remotes: [{url: "nats://a", proxy: {foo: 1}}]', 'remotes: [{url: "ws://a", proxy: {url: "ftp://x"}}]', 'remotes: [{url: "ws://a", proxy: {url: "http://x", username: a}}]',
        'remotes: [{url: "ws://a", proxy: {url: "http://x"}}]', 'remotes: [{url: "nats://a", jetstream_cluster_migrate: true}]',
        'remotes: [{url: "nats://a", jetstream_cluster_migrate: {leader_migrate_delay: 5s}}]', 'remotes: [{url: "nats://a", ws_compression: 5 }]', "min_version: x",
        'min_version: "2.7.0"', 'min_version: "2.8.0"', "min_version: 5 ", "reconnect: 5 ", 'reconnect_delay: "1s"', "reconnect: x", "dial_timeout: x", "no_advertise: 5 ",
        "advertise: 5 ", "isolate: 5 ", "isolate_leafnode_interest: true", "compression: 5 ", "compression: off", "authorization: {user: a, password: b, account: A}",
        "authorization: {users: [{user: a, pass: b, account: A}]}", "authorization: {users: [{user: a, foo: 1}]}", "authorization: {foo: 1}", "authorization: {nkey: x}",
        "authorization: {timeout: x}", "authorization: 5 ", "write_timeout: x", "tls: {handshake_first: true}", "foo: 1"]

WEBSOCKET = ["port: 8080", "listen: x", "host: 5 ", "advertise: 5 ", "no_tls: 5 ", "no_tls: true", "same_origin: 5 ", "allowed_origins: 5 ", "allowed_origins: [5 ]",
             'allowed_origins: ["http://a"]', "allow_origins: x", "origin: x", "handshake_timeout: x", "handshake_timeout: 5 ", 'handshake_timeout: "5s"', "handshake_timeout: true",
             "compression: 5 ", "compress: true", "authorization: {foo: 1}", "authorization: {user: a, pass: b, token: c, timeout: 1}", "authentication: {users: []}", "no_auth_user: 5 ",
             "jwt_cookie: 5 ", "jwt_cookie: c", "user_cookie: c, pass_cookie: d, token_cookie: e", "headers: 5 ", "headers: {a: b}", "headers: {a: 5 }", "ping_interval: x",
             'ping_interval: "5s"', "foo: 1", "tls: {verify_cert_and_check_known_urls: true}"]

MQTT = ["port: 1883", "listen: x", "host: 5 ", "ack_wait: x", "ack_wait: 5 ", 'ackwait: "5s"', "js_api_timeout: x", 'api_timeout: "5s"', "max_ack_pending: -1", "max_inflight: 70000",
        "max_ack_pending: 65535", "max_pending: x", "js_domain: 5 ", "js_domain: D", "stream_replicas: x", "stream_replicas: 3", "consumer_replicas: 5 ", "consumer_memory_storage: 5 ",
        "consumer_memory_storage: true", "consumer_inactive_threshold: x", 'consumer_auto_cleanup: "5m"', "reject_qos2_publish: 5 ", "downgrade_qos2_subscribe: true",
        "authorization: {users: []}", "authorization: {user: a, pass: b}", "authentication: {token: x}", "no_auth_user: 5 ", "foo: 1", "tls: 5 ", "listen: \"[::1]:1883\""]

JETSTREAM = ["enabled: true", "enabled: false", "store_dir: /x", "storedir: /x", "store: /x", "max_mem: 1GB", 'max_mem_store: "1G"', "max_memory_store: 5 ", 'max_file: "1GB"', 'max_file_store: "2T"',
             'max_file: ""', 'max_file: "xG"', "max_mem: 1.5", "max_file: true", "domain: D", "key: k", "ek: k", "encryption_key: k, cipher: aes", "prev_key: k", "cipher: foo", "cipher: ChaCha",
             'sync: "x"', "sync: always", "sync_interval: 5 ", 'sync_interval: "1m"', "strict: true", "strict: false", "unique_tag: x", "extension_hint: no_extend", "max_outstanding_catchup: 5 ",
             'max_outstanding_catchup: "1M"', "max_buffered_size: 5 ", "max_buffered_msgs: 5 ", "request_queue_limit: 5 ", "info_queue_limit: 5 ", "meta_compact: -5", "meta_compact: 5 ",
             "meta_compact_size: -5", 'meta_compact_size: "5M"', "meta_compact_sync: true", "max_concurrent_io: 3", "max_concurrent_io: 4", "max_concurrent_io: 9000", "limits: 5 ", "limits: {foo: 1}",
             'limits: {max_ack_pending: 5, max_ha_assets: 5, max_request_batch: 5, duplicate_window: "1m"}', "limits: {batch: {foo: 1}}", "limits: {batch: 5 }", "limits: {batch: {max_msgs: 5 }}", "tpm: 5 ",
             "tpm: {foo: 1}", "foo: 1"]

ACCOUNTS = ["{}", "[]", "[A, B]", "[A, A]", "[5 ]", "{A: {}}", "{A: 5 }", '{"$G": {}}', "{A: {foo: 1}}", "{A: {nkey: x}}", "{A: {nkey: 5 }}", "{A: {users: [{user: a, pass: b}]}}", "{A: {users: [{}]}}",
            "{A: {users: 5 }}", "{A: {imports: 5 }}", "{A: {exports: 5 }}", "{A: {exports: [{stream: x}]}}", "{A: {exports: [{service: x, response: stream, threshold: \"1s\"}]}}",
            "{A: {exports: [{stream: x, foo: 1}]}}", "{A: {imports: [{stream: x}]}}", "{A: {exports: [{service: x, response: foo}]}}", "{A: {exports: [{service: x, threshold: foo}]}}",
            "{A: {exports: [{stream: x, accounts: 5 }]}}", "{A: {exports: [{stream: x}]}, B: {imports: [{stream: {account: A, subject: x}, prefix: p}]}}", "{A: {limits: {foo: 1}}}", "{A: {limits: 5 }}",
            "{A: {limits: {max_conn: 5, max_subs: 5, max_pay: 5, max_leafs: 5}}}", "{A: {limits: {max_conn: x}}}", "{A: {jetstream: true}}", "{A: {jetstream: enabled}}", "{A: {jetstream: foo}}", "{A: {jetstream: 5 }}",
            "{A: {jetstream: {foo: 1}}}", "{A: {jetstream: {max_mem: 5, max_file: 5, max_streams: 5, max_consumers: 5}}}", "{A: {jetstream: {cluster_traffic: owner}}}", "{A: {msg_trace: {dest: \"a..b\"}}}",
            "{A: {msg_trace: t}}", "{A: {trace_dest: {dest: t, sampling: 50}}}", "{A: {msg_trace: {dest: a, sampling: 500}}}", "{A: {msg_trace: {sampling: 50}}}", "{A: {msg_trace: 5 }}",
            "{A: {default_permissions: {publish: a}}}", "{A: {mappings: {a: b}}}", "{A: {mappings: {a..b: x}}}", "{A: {exports: [{stream: x, allow_trace: true}]}}"]

OTHERS = ["ocsp: true", "ocsp: false", "ocsp: 5 ", "ocsp: {mode: auto}", "ocsp: {mode: must, url: \"http://a\"}", "ocsp: {url: 5 }", "ocsp_cache: true", "ocsp_cache: false", "ocsp_cache: {type: local, save_interval: 5m}",
          "ocsp_cache: 5 ", "ocsp_cache: {type: x}", "proxies: {trusted: []}", "proxies: {}", "proxies: 5 ", "proxies: {foo: 1}", "proxies: {trusted: 5 }", "proxies: {trusted: [{key: x}]}", "proxies: {trusted: [{foo: 1}]}",
          "proxies: {trusted: [{key: UC6NLCN7AS34YOJVCYD4PJ3QB7QGLYG5B5IMBT25VW5K4TNUJODM7BOX}]}", "default_js_domain: {A: B}", "default_js_domain: 5 ", "resolver: MEM", "resolver: memory", "resolver: foo", "resolver: 5 ",
          "resolver: {type: x}", "resolver: {type: full, dir: /tmp, ttl: \"1s\"}", "resolver: {type: cache, dir: /tmp, allow_delete: true}", "resolver: {type: full, dir: /tmp, hard_delete: true}",
          "resolver_preload: 5 ", "resolver_preload: {A: 5 }", "resolver_preload: {A: B}", "resolver_tls: 5 ", "resolver_tls: {foo: 1}", "jetstream: true", "jetstream: false", "jetstream: enabled", "jetstream: DISABLE",
          "jetstream: foo", "jetstream: 5 ", "store_dir: /x", "store_dir: 5 "]

# Files as people have them, and what the language allows.
FILES = [
    "", "{}", "# nothing\n", "port: 4222", "port = 4222", "port 4222", "{port: 4222}", '{"port": 4222, "host": "127.0.0.1"}', "PORT: 4222", "port: 1\nport: 2\n", "port: x\nport: 2\n",
    "p: 4333\nport: $p\n", "port: $nosuch\n", "a: $b\nb: $a\n", "port: 4222 }", "port: 4222 # comment\n// another\n", "max_payload: 1MB\nmax_pending: 10MB\n", "debug: yes, trace: no\n",
    "port: 4222\r\nhost: 127.0.0.1\r\n", "port", "port:", "host: 'a\nb'\n", 'host: "\\q"', "authorization {\n  user: a\n  password: b\n}\n", "authorization: {user: a, password: $PASS}\n",
    "authorization {\n  ADMIN = {publish: \">\", subscribe: \">\"}\n  users = [\n    {user: joe, password: foo, permissions: $ADMIN}\n    {user: alice, password: bar}\n  ]\n}\n",
    "authorization {\n  default_permissions = {publish: \"SANDBOX.*\", subscribe: [\"PUBLIC.>\", \"_INBOX.>\"]}\n  ADMIN = {publish = \">\", subscribe = \">\"}\n  REQUESTOR = {publish = [\"req.foo\", \"req.bar\"]\n"
    "    subscribe = \"_INBOX.>\"}\n  RESPONDER = {subscribe = [\"req.foo\", \"req.bar\"], publish = \"_INBOX.>\"}\n  users = [\n    {user: joe, password: foo, permissions: $ADMIN}\n"
    "    {user: alice, password: foo, permissions: $REQUESTOR}\n    {user: bob, password: foo, permissions: $RESPONDER}\n    {user: susan, password: foo}\n  ]\n}\n",
    "listen: 127.0.0.1:4222\nhttp: 8222\nlog_file: \"/var/log/nats.log\"\nlogtime: true\ndebug: false\ntrace: false\nmax_connections: 100\nmax_control_line: 512\nmax_payload: 65536\nwrite_deadline: \"2s\"\n",
    "server_name: n1\nlisten: 4222\njetstream {\n  store_dir: /data\n  max_mem: 1G\n  max_file: 10G\n}\ncluster {\n  name: C1\n  listen: 0.0.0.0:6222\n  routes: [\n    nats-route://a:6222\n    nats-route://b:6222\n  ]\n}\n",
    "port: 4222\nleafnodes {\n  port: 7422\n}\naccounts {\n  $SYS { users = [ { user: \"admin\", pass: \"$2a$11$DRh4C0KNbNnD8K/hb/buWe1zPxEHrLEiDmuq1Mi0rRJiH/W25Qidm\" } ] }\n}\n",
    "websocket {\n  port: 8080\n  no_tls: true\n}\nmqtt {\n  port: 1883\n}\n", "max_payload: 10m\nping_interval: 10m\n", "ping_interval: \"10m\"\nping_max: 3\n", "max_payload: 1kbb\n", "port: 99999999999999999999\n",
    "lame_duck_duration: 2m0s\n", "authorization {token: \"s3cr3t\"}\n", "mappings = {\n  foo: bar\n  \"orders.*\": \"o.$1\"\n}\n", "no_auth_user: a\nauthorization {users: [{user: a, pass: b}]}\n",
    "authorization {timeout: 1\n users: [{user: \"u\", password: \"p\", permissions: {publish: {allow: [\"foo\"], deny: [\"bar\"]}, subscribe: {deny: \"q.>\"}}}]}\n",
    "foo: {bar: {baz: 1}}\n", "foo: [1, 2, {a: b}]\n", "port: [4222]\n", "a: b\nc: d\ne: f\n", "authorization {users = [{user: a, pass: b}, {user: a, pass: c}, {user: b, pass: d}]}\n",
    "authorization {users: [{}, {nkey: x}, {user: a, foo: 1}]}\n", "port: x\nhost: 5\nfoo: 1\nping_interval: 5\n",
]


def cases():
    """All of them, each once."""
    seen = {}
    for key, values in TOP.items():
        for v in values + TYPES:
            seen[f"{key}: {v}\n"] = True
    for name, bodies in (("tls", TLS), ("authorization", AUTH), ("cluster", CLUSTER), ("gateway", GATEWAY), ("leafnodes", LEAF), ("websocket", WEBSOCKET), ("mqtt", MQTT),
                         ("jetstream", JETSTREAM)):
        for body in bodies:
            seen[f"{name} {{ {body} }}\n"] = True
        for v in TYPES:
            seen[f"{name}: {v}\n"] = True
    for body in TLS:
        seen[f"leafnodes {{ tls {{ {body} }} }}\n"] = True
    for p in PERMS:
        seen[f"authorization {{ users: [{{user: u, pass: p, permissions: {p}}}] }}\n"] = True
        seen[f"authorization {{ default_permissions: {p} }}\n"] = True
    for m in MAPPINGS:
        seen[f"mappings: {m}\n"] = True
    for a in ACCOUNTS:
        seen[f"accounts: {a}\n"] = True
    for other in OTHERS + FILES:
        seen[other if other.endswith("\n") or other == "" else other + "\n"] = True
    return list(seen)
