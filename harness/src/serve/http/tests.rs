//! The site as a client sees it, over a stream of memory.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::super::tally::Tally;
use super::{Site, serve};

/// A folder that is gone after the test.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("handfast-site-{test}-{}", std::process::id()));
        fs::create_dir_all(path.join("www/sub")).expect("a folder");
        fs::write(path.join("secret"), "not for everybody").expect("a file");
        fs::write(path.join("www/index.html"), "<p>index").expect("a file");
        fs::write(path.join("www/sub/index.html"), "<p>sub").expect("a file");
        fs::write(path.join("www/digits.txt"), "0123456789").expect("a file");
        symlink("digits.txt", path.join("www/inside")).expect("a link");
        symlink("../secret", path.join("www/outside")).expect("a link");
        symlink("/etc/hostname", path.join("www/absolute")).expect("a link");
        Self(path)
    }

    fn site(&self) -> Site {
        Site::new(Some(&self.0.join("www"))).expect("a folder")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What comes back for bytes that are sent on one connection whose sending direction ends there.
fn answers(site: Site, requests: &str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let (mut near, far) = tokio::io::duplex(1 << 20);
        let serving = tokio::spawn(async move { serve(far, Arc::new(site), &Tally::default()).await });
        near.write_all(requests.as_bytes()).await.expect("open");
        near.shutdown().await.expect("open");
        let mut heard = String::new();
        near.read_to_string(&mut heard).await.expect("UTF-8");
        let _ = serving.await.expect("no panic");
        heard
    })
}

fn get(site: Site, path: &str, headers: &str) -> String {
    answers(
        site,
        &format!("GET {path} HTTP/1.1\r\nHost: h\r\n{headers}Connection: close\r\n\r\n"),
    )
}

#[test]
fn without_a_root_every_path_greets_and_connections_are_kept() {
    let site = || Site::new(None).expect("no folder");
    assert!(get(site(), "/any/where", "").ends_with("\r\n\r\nhello\n"));
    let two = answers(
        site(),
        "GET / HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
    );
    assert_eq!(two.matches("HTTP/1.1 200 OK").count(), 2, "{two}");
    let old = answers(site(), "GET / HTTP/1.0\r\n\r\n");
    assert!(old.starts_with("HTTP/1.0 200 OK"), "{old}");
}

/// RFC 9112 section 3.2.
#[test]
fn a_request_is_for_one_host_or_for_nobody() {
    let answer = |version: &str, hosts: &str| {
        let site = Site::new(None).expect("no folder");
        answers(
            site,
            &format!("GET / HTTP/{version}\r\n{hosts}Connection: close\r\n\r\n"),
        )
    };
    for hosts in [
        "Host: h\r\n",
        "Host: h:8080\r\n",
        "Host: [fd01::2]:80\r\n",
        "Host:\r\n",
    ] {
        let answer = answer("1.1", hosts);
        assert!(answer.starts_with("HTTP/1.1 200"), "{hosts}: {answer}");
    }
    let several = "Host: h\r\nHost: h\r\n";
    for (version, hosts) in [
        ("1.1", ""),
        ("1.1", several),
        ("1.0", several),
        ("1.1", "Host: two words\r\n"),
        ("1.1", "Host: user@h\r\n"),
        ("1.1", "Host: h/path\r\n"),
    ] {
        let answer = answer(version, hosts);
        assert!(
            answer.contains(" 400 Bad Request\r\n"),
            "{version} {hosts}: {answer}"
        );
    }
}

#[test]
fn files_come_with_their_type_and_folders_with_their_index() {
    let folder = Folder::new("files");
    let page = get(folder.site(), "/", "");
    assert!(
        page.contains("content-type: text/html") && page.ends_with("<p>index"),
        "{page}"
    );
    assert!(get(folder.site(), "/sub/", "").ends_with("<p>sub"));
    let moved = get(folder.site(), "/sub", "");
    assert!(
        moved.starts_with("HTTP/1.1 301") && moved.contains("location: /sub/\r\n"),
        "{moved}"
    );
    assert!(get(folder.site(), "/inside", "").ends_with("0123456789"));
    assert!(get(folder.site(), "/nowhere", "").starts_with("HTTP/1.1 404"));
    assert!(get(folder.site(), "/digits.txt/", "").starts_with("HTTP/1.1 404"));
}

#[test]
fn nothing_outside_of_the_root_is_served() {
    let folder = Folder::new("outside");
    for path in ["/outside", "/absolute"] {
        let answer = get(folder.site(), path, "");
        assert!(answer.starts_with("HTTP/1.1 403"), "{path}: {answer}");
    }
    for path in [
        "/../secret",
        "/sub/../../secret",
        "/%2e%2e/secret",
        "/..%2fsecret",
    ] {
        let answer = get(folder.site(), path, "");
        assert!(answer.starts_with("HTTP/1.1 400"), "{path}: {answer}");
    }
    let pipe = folder.0.join("www/pipe");
    let made = rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        0o600.into(),
        0,
    );
    made.expect("a pipe");
    assert!(get(folder.site(), "/pipe", "").starts_with("HTTP/1.1 403"));
}

#[test]
fn parts_and_heads_say_how_long_the_file_is() {
    let folder = Folder::new("parts");
    let part = get(folder.site(), "/digits.txt", "Range: bytes=2-4\r\n");
    assert!(
        part.starts_with("HTTP/1.1 206") && part.ends_with("\r\n\r\n234"),
        "{part}"
    );
    assert!(part.contains("content-range: bytes 2-4/10\r\n") && part.contains("content-length: 3\r\n"));
    let beyond = get(folder.site(), "/digits.txt", "Range: bytes=10-\r\n");
    assert!(
        beyond.starts_with("HTTP/1.1 416") && beyond.contains("bytes */10"),
        "{beyond}"
    );
    let changed = get(
        folder.site(),
        "/digits.txt",
        "Range: bytes=2-4\r\nIf-Range: \"other\"\r\n",
    );
    assert!(
        changed.starts_with("HTTP/1.1 200") && changed.ends_with("0123456789"),
        "{changed}"
    );
    // Only GET has parts.
    for range in ["", "Range: bytes=2-4\r\n"] {
        let head = answers(
            folder.site(),
            &format!("HEAD /digits.txt HTTP/1.1\r\nHost: h\r\n{range}Connection: close\r\n\r\n"),
        );
        assert!(
            head.contains("content-length: 10\r\n") && head.ends_with("\r\n\r\n"),
            "{head}"
        );
    }
}

#[test]
fn several_parts_are_one_answer_of_the_length_that_it_says() {
    let folder = Folder::new("several");
    let answer = get(folder.site(), "/digits.txt", "Range: bytes=7-8, 0-1, -1\r\n");
    assert!(answer.starts_with("HTTP/1.1 206"), "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let value = |name: &str| {
        let line = head.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(": ")).expect("the header").1
    };
    let boundary = value("content-type")
        .strip_prefix("multipart/byteranges; boundary=")
        .expect("several parts");
    assert_eq!(value("content-length"), body.len().to_string());
    let part = |range: &str, bytes: &str| {
        format!(
            "--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes {range}/10\r\n\r\n{bytes}\r\n"
        )
    };
    let parts = [part("7-8", "78"), part("0-1", "01"), part("9-9", "9")];
    assert_eq!(body, format!("{}--{boundary}--\r\n", parts.concat()));
    assert!(!head.contains("content-range"), "each part says where it is from");
}

#[test]
fn what_the_client_has_is_not_sent_again() {
    let folder = Folder::new("conditions");
    let page = get(folder.site(), "/digits.txt", "");
    let value = |name: &str| {
        let line = page
            .lines()
            .find(|line| line.starts_with(name))
            .expect("the header");
        line.split_once(": ").expect("a value").1.to_owned()
    };
    let (tag, date) = (value("etag"), value("last-modified"));
    let code = |headers: &str| get(folder.site(), "/digits.txt", headers)[9..12].to_owned();
    assert_eq!(code(&format!("If-None-Match: \"x\", {tag}\r\n")), "304");
    assert_eq!(code(&format!("If-Modified-Since: {date}\r\n")), "304");
    assert_eq!(
        code("If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n"),
        "200"
    );
    // A tag that differs outweighs a date.
    assert_eq!(
        code(&format!("If-None-Match: \"x\"\r\nIf-Modified-Since: {date}\r\n")),
        "200"
    );
    assert_eq!(code(&format!("Range: bytes=0-0\r\nIf-Range: {date}\r\n")), "206");
}

/// RFC 9110 sections 13.1.1 and 13.1.4: who has a part of the file wants the rest of that one, or nothing.
#[test]
fn a_file_that_is_not_the_demanded_one_is_not_sent() {
    let folder = Folder::new("demands");
    let page = get(folder.site(), "/digits.txt", "");
    let line = page.lines().find(|line| line.starts_with("etag"));
    let tag = line.expect("the header").split_once(": ").expect("a value").1;
    let code = |headers: &str| get(folder.site(), "/digits.txt", headers)[9..12].to_owned();
    assert_eq!(code(&format!("If-Match: \"x\", {tag}\r\n")), "200");
    assert_eq!(code("If-Match: *\r\n"), "200");
    assert_eq!(code("If-Match: \"x\"\r\n"), "412");
    assert_eq!(
        code(&format!("If-Match: W/{tag}\r\n")),
        "412",
        "a weak tag promises less"
    );
    let long_ago = "Thu, 01 Jan 1970 00:00:00 GMT";
    assert_eq!(code(&format!("If-Unmodified-Since: {long_ago}\r\n")), "412");
    assert_eq!(
        code(&format!("If-Match: {tag}\r\nIf-Unmodified-Since: {long_ago}\r\n")),
        "200",
        "a tag outweighs a date"
    );
}

#[test]
fn uploads_are_counted_and_other_methods_refused() {
    let site = || Site::new(None).expect("no folder");
    let upload = answers(
        site(),
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nConnection: close\r\n\r\n12345",
    );
    assert!(upload.ends_with("5 bytes received\n"), "{upload}");
    let delete = answers(
        site(),
        "DELETE / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    );
    assert!(delete.starts_with("HTTP/1.1 405") && delete.contains("allow: GET, HEAD, POST, PUT"));
}

#[test]
fn a_root_that_is_none_says_so() {
    let error = Site::new(Some("/nonexistent".as_ref())).expect_err("no folder");
    assert!(
        error.contains("--root /nonexistent") && error.contains("name a folder"),
        "{error}"
    );
}

/// What becomes of a client that says this and then neither speaks nor listens: how many seconds it is borne with.
fn patience_with(site: Site, said: &str) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let (mut near, far) = tokio::io::duplex(64 << 10);
        let begin = Instant::now();
        near.write_all(said.as_bytes()).await.expect("open");
        // Whether that counts as an error depends on what was under way.
        let _ = serve(far, Arc::new(site), &Tally::default()).await;
        begin.elapsed().as_secs()
    })
}

#[test]
fn nobody_is_borne_with_for_ever() {
    let folder = Folder::new("patience");
    fs::write(folder.0.join("www/large"), vec![0; 4 << 20]).expect("a file");
    let head = "GET /digits.txt HTTP/1.1\r\nHost: h\r\n";
    assert_eq!(patience_with(folder.site(), head), 30, "the rest of a head");
    assert_eq!(
        patience_with(folder.site(), &format!("{head}\r\n")),
        30,
        "the next request"
    );
    let upload = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n1";
    assert_eq!(patience_with(folder.site(), upload), 60, "the rest of an upload");
    let download = "GET /large HTTP/1.1\r\nHost: h\r\n\r\n";
    assert_eq!(
        patience_with(folder.site(), download),
        60,
        "an answer that is not taken"
    );
}
