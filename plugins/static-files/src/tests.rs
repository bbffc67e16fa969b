//! Requests against a real folder.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use crate::{Body, Config, Method, Request, Response, respond};

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

/// A folder of its own for each test, which goes with it.
struct Site(PathBuf);

impl Site {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let root = std::env::temp_dir().join(format!("skep-static-files-{}-{count}", std::process::id()));
        let site = Self(root);
        for (name, content) in [
            ("index.html", "home"),
            ("docs/index.html", "docs"),
            ("assets/app.js", "0123456789"),
            ("assets/app.js.br", "br"),
            ("assets/app.js.gz", "gz!"),
            ("empty.txt", ""),
            (".env", "secret"),
            ("a b/index.html", "spaced"),
        ] {
            site.write(name, content);
        }
        site
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        let changed = UNIX_EPOCH + Duration::from_secs(784_111_777);
        File::options().write(true).open(path).unwrap().set_modified(changed).unwrap();
    }

    fn config(&self, variables: &[(&str, &str)]) -> Config {
        let read =
            Config::read(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()));
        Config { root: self.0.clone(), ..read.unwrap() }
    }

    fn get(&self, target: &str, headers: &[(&str, &str)]) -> Seen {
        ask(&self.config(&[]), Method::Get, target, headers)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _left_behind = fs::remove_dir_all(&self.0);
    }
}

/// A response with its body read.
#[derive(Debug)]
struct Seen {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Seen {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
    }
}

fn ask(config: &Config, method: Method, target: &str, headers: &[(&str, &str)]) -> Seen {
    let header = |name: &str| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    let Response { status, headers, body } = respond(config, &Request { method, target, header: &header });
    let mut text = String::new();
    match body {
        Body::Empty => {}
        Body::Text(line) => text.push_str(line),
        Body::File { mut file, start, length } => {
            file.seek(SeekFrom::Start(start)).unwrap();
            file.take(length).read_to_string(&mut text).unwrap();
        }
    }
    let seen = Seen { status, headers, body: text };
    assert_eq!(seen.header("x-content-type-options"), Some("nosniff"));
    if status == 304 {
        assert_eq!((seen.body.as_str(), seen.header("content-length")), ("", None));
    } else if method == Method::Head {
        assert_eq!(seen.body, "");
        assert!(seen.header("content-length").is_some());
    } else {
        assert_eq!(seen.header("content-length"), Some(seen.body.len().to_string().as_str()));
    }
    seen
}

#[test]
fn a_file_has_all_its_headers() {
    let seen = Site::new().get("/assets/app.js?v=1", &[]);
    assert_eq!((seen.status, seen.body.as_str()), (200, "0123456789"));
    for (name, value) in [
        ("content-type", "text/javascript; charset=utf-8"),
        ("cache-control", "no-cache"),
        ("etag", "W/\"a-ae1b981bc490a00\""),
        ("last-modified", DATE),
        ("accept-ranges", "bytes"),
        ("vary", "accept-encoding"),
    ] {
        assert_eq!(seen.header(name), Some(value), "{name}");
    }
    assert_eq!(seen.header("content-encoding"), None);
}

#[test]
fn head_is_get_without_the_body() {
    let site = Site::new();
    for target in ["/assets/app.js", "/missing", "/docs", "/.."] {
        let get = site.get(target, &[]);
        let head = ask(&site.config(&[]), Method::Head, target, &[("range", "bytes=0-1")]);
        assert_eq!((head.status, head.headers), (get.status, get.headers), "{target}");
    }
}

#[test]
fn other_methods_are_not_allowed() {
    let seen = ask(&Site::new().config(&[]), Method::Other, "/", &[]);
    assert_eq!((seen.status, seen.header("allow")), (405, Some("GET, HEAD")));
}

#[test]
fn folders_answer_with_their_index() {
    let site = Site::new();
    assert_eq!(site.get("/", &[]).body, "home");
    assert_eq!(site.get("/docs/", &[]).body, "docs");
    for (target, location) in [
        ("/docs", "/docs/"),
        ("/docs?a=1&b=%20", "/docs/?a=1&b=%20"),
        ("/d%6fcs?a=\u{e4}", "/docs/?a=%C3%A4"),
        ("/a%20b", "/a%20b/"),
    ] {
        let seen = site.get(target, &[]);
        assert_eq!((seen.status, seen.header("location")), (301, Some(location)), "{target}");
    }
    // Without an index there is nothing to see, and no list.
    for target in ["/assets", "/assets/", "/index.html/"] {
        assert_eq!(site.get(target, &[]).status, 404, "{target}");
    }
}

#[test]
fn a_prefix_is_taken_off_and_put_back() {
    let site = Site::new();
    let config = site.config(&[("PREFIX", "/site"), ("SPA", "index.html")]);
    let get = |target| ask(&config, Method::Get, target, &[]);
    assert_eq!(get("/site/assets/app.js").body, "0123456789");
    assert_eq!(get("/site").header("location"), Some("/site/"));
    assert_eq!(get("/site/docs").header("location"), Some("/site/docs/"));
    assert_eq!(get("/site/route").body, "home");
    for target in ["/", "/assets/app.js", "/sitemap", "/site//evil.example"] {
        assert!([400, 404].contains(&get(target).status), "{target}");
    }
}

#[test]
fn an_app_answers_for_its_routes() {
    let site = Site::new();
    let config = site.config(&[("SPA", "index.html"), ("IMMUTABLE", "/assets/*")]);
    let get = |target| ask(&config, Method::Get, target, &[]);
    for target in ["/users/7", "/users/", "/v1.2/users", "/assets/", "/assets/missing"] {
        let seen = get(target);
        assert_eq!((seen.status, seen.body.as_str()), (200, "home"), "{target}");
        // Not that of the place where it would have been.
        assert_eq!(seen.header("cache-control"), Some("no-cache"), "{target}");
    }
    for target in ["/missing.js", "/.env", "/.git/config", "/assets/missing.css"] {
        assert_eq!(get(target).status, 404, "{target}");
    }
    assert_eq!(get("/assets/app.js").header("cache-control"), Some("public, max-age=31536000, immutable"));
}

#[test]
fn what_is_not_there_has_its_page() {
    let site = Site::new();
    assert_eq!(site.get("/missing", &[]).body, "not found\n");
    site.write("404.html", "lost?");
    site.write("404.html.gz", "gz");
    let seen = site.get("/missing.js", &[("if-none-match", "*"), ("range", "bytes=0-1")]);
    assert_eq!((seen.status, seen.body.as_str()), (404, "lost?"));
    assert_eq!(seen.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(seen.header("etag"), None);
    let seen = site.get("/.env", &[("accept-encoding", "gzip")]);
    assert_eq!((seen.status, seen.header("content-encoding")), (404, Some("gzip")));
}

#[test]
fn siblings_stand_in_for_clients_that_want_them() {
    let site = Site::new();
    for (accepts, encoding, body) in [
        ("gzip, br, zstd", Some("br"), "br"),
        ("gzip;q=1, br;q=0.5", Some("gzip"), "gz!"),
        // There is no sibling, so the next.
        ("zstd, gzip;q=0.1", Some("gzip"), "gz!"),
        ("zstd", None, "0123456789"),
        ("identity, *;q=0", None, "0123456789"),
    ] {
        let seen = site.get("/assets/app.js", &[("accept-encoding", accepts)]);
        assert_eq!((seen.header("content-encoding"), seen.body.as_str()), (encoding, body), "{accepts}");
        assert_eq!(seen.header("content-type"), Some("text/javascript; charset=utf-8"));
        assert_eq!(seen.header("vary"), Some("accept-encoding"));
    }
    // Parts and tags are those of what is sent.
    let accepts = ("accept-encoding", "gzip");
    let part = site.get("/assets/app.js", &[accepts, ("range", "bytes=1-")]);
    assert_eq!((part.status, part.body.as_str(), part.header("content-range")), (206, "z!", Some("bytes 1-2/3")));
    let plain = site.get("/assets/app.js", &[]);
    let tag = ("if-none-match", plain.header("etag").unwrap());
    assert_eq!(site.get("/assets/app.js", &[tag]).status, 304);
    assert_eq!(site.get("/assets/app.js", &[tag, accepts]).status, 200);
}

#[test]
fn unchanged_files_are_not_sent_again() {
    let site = Site::new();
    let seen = site.get("/assets/app.js", &[("if-modified-since", DATE), ("range", "bytes=0-1")]);
    assert_eq!(seen.status, 304);
    for name in ["etag", "last-modified", "cache-control", "vary"] {
        assert!(seen.header(name).is_some(), "{name}");
    }
    assert_eq!(seen.header("content-type"), None);
    assert_eq!(site.get("/assets/app.js", &[("if-match", "\"other\"")]).status, 412);
    let tag = site.get("/assets/app.js", &[]).header("etag").unwrap().to_owned();
    site.write("assets/app.js", "9876543210!");
    assert_eq!(site.get("/assets/app.js", &[("if-none-match", &tag)]).status, 200);
}

#[test]
fn parts_of_files() {
    let site = Site::new();
    for (range, status, body, content_range) in [
        ("bytes=2-4", 206, "234", Some("bytes 2-4/10")),
        ("bytes=-3", 206, "789", Some("bytes 7-9/10")),
        ("bytes=8-", 206, "89", Some("bytes 8-9/10")),
        ("bytes=10-", 416, "range not satisfiable\n", Some("bytes */10")),
        ("bytes=0-1,3-4", 200, "0123456789", None),
        ("lines=1-2", 200, "0123456789", None),
    ] {
        let seen = site.get("/assets/app.js", &[("range", range)]);
        assert_eq!((seen.status, seen.body.as_str()), (status, body), "{range}");
        assert_eq!((seen.header("content-range"), seen.header("accept-ranges")), (content_range, Some("bytes")));
    }
    for (if_range, status) in [(DATE, 206), ("Sun, 06 Nov 1994 08:49:38 GMT", 200), ("\"other\"", 200)] {
        let seen = site.get("/assets/app.js", &[("range", "bytes=0-0"), ("if-range", if_range)]);
        assert_eq!(seen.status, status, "{if_range}");
    }
    assert_eq!(site.get("/empty.txt", &[]).status, 200);
    assert_eq!(site.get("/empty.txt", &[("range", "bytes=0-")]).status, 416);
}

#[test]
fn hidden_files_are_for_those_who_allow_them() {
    let site = Site::new();
    assert_eq!(site.get("/.env", &[]).status, 404);
    assert_eq!(ask(&site.config(&[("HIDDEN", "allow")]), Method::Get, "/.env", &[]).body, "secret");
}

#[test]
fn nothing_outside_is_reached() {
    let site = Site::new();
    for target in ["/../secret", "/docs/%2e%2e/%2e%2e/secret", "/..%2fsecret", "//etc/passwd", "/a\\..\\b", "/%00"] {
        assert_eq!(site.get(target, &[]).status, 400, "{target}");
    }
    let long = format!("/{}", "a".repeat(10_000));
    assert_eq!(site.get(&long, &[]).status, 404);
}

#[test]
fn a_missing_folder_is_the_operators_to_mend() {
    let config = Config { root: "/there/is/no/such/folder".into(), ..Site::new().config(&[]) };
    assert_eq!(ask(&config, Method::Get, "/", &[]).status, 500);
}
