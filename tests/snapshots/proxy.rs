//! What lies between a store and its S3 server: passes every request on, until a test breaks something.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

use crate::server::{KEY, Server};

/// What is broken now.
#[derive(Clone, Default)]
pub struct Faults {
    /// The parts of uploads arrive to their half, and the rest only when this ends.
    pub hold_parts: bool,
    /// Connections end in the middle of so many parts.
    pub cut_parts: u32,
    /// So many parts are answered with 500.
    pub fail_parts: u32,
    /// The newest snapshot is missing in every list.
    pub hide_newest: bool,
    /// Every request is answered as S3 does when a token has expired.
    pub expired: bool,
    /// Connections end after so many bytes of an object.
    pub cut_reads: Option<usize>,
}

#[derive(Default)]
struct State {
    faults: Faults,
    held: usize,
    aborted: usize,
}

struct Shared {
    upstream: u16,
    state: Mutex<State>,
    changed: Condvar,
}

/// One bucket behind a proxy.
pub struct Proxy {
    port: u16,
    bucket: String,
    shared: Arc<Shared>,
}

impl Proxy {
    /// With a bucket of its own. It lives as long as the test process.
    pub fn start() -> Proxy {
        let server = Server::shared();
        let bucket = server.bucket();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port for the proxy");
        let port = listener.local_addr().expect("a bound port").port();
        let shared = Arc::new(Shared { upstream: server.port, state: Mutex::default(), changed: Condvar::new() });
        let of_thread = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&of_thread);
                // A connection that breaks is the client's to notice.
                thread::spawn(move || drop(shared.serve(client)));
            }
        });
        Proxy { port, bucket, shared }
    }

    /// Breaks or mends something.
    pub fn set(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.shared.lock().faults);
        self.shared.changed.notify_all();
    }

    /// How many parts of uploads are held.
    pub fn held(&self) -> usize {
        self.shared.lock().held
    }

    /// How many uploads were given up in good order.
    pub fn aborted(&self) -> usize {
        self.shared.lock().aborted
    }

    pub fn url(&self) -> String {
        format!("s3://{}/of/orderwatch", self.bucket)
    }

    /// What a user sets in the environment.
    pub fn environment(&self) -> [(&'static str, String); 4] {
        [
            ("AWS_ENDPOINT", format!("http://127.0.0.1:{}", self.port)),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_ACCESS_KEY_ID", KEY.0.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", KEY.1.to_owned()),
        ]
    }
}

struct Request {
    head: String,
    body: Vec<u8>,
}

impl Request {
    fn is(&self, method: &str, part: &str) -> bool {
        let line = self.head.lines().next().unwrap_or_default();
        line.starts_with(method) && line.contains(part)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        let Some(head) = read_head(&mut client)? else { return Ok(()) };
        let length = header(&head, "content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        let mut request = Request { head, body: vec![0; length] };
        let (first, second) = request.body.split_at_mut(length / 2);
        client.read_exact(first)?;
        let is_part = request.head.starts_with("PUT") && request.head.contains("partNumber=");
        if is_part && self.breaks_part(&client)? {
            return Ok(());
        }
        client.read_exact(second)?;
        if let Some((status, code)) = self.refuses(is_part) {
            let body = format!("<Error><Code>{code}</Code><Message>as the test wants</Message></Error>");
            return answer(&mut client, status, &[], body.as_bytes());
        }
        let (status, headers, body) = self.pass_on(&request)?;
        let faults = self.lock().faults.clone();
        if faults.hide_newest && request.is("GET", "list-type=2") {
            return answer(&mut client, &status, &headers, without_newest(&body).as_bytes());
        }
        if let Some(cut) = faults.cut_reads.filter(|cut| request.is("GET", ".snap") && body.len() > *cut) {
            // The whole length is announced.
            write_head(&mut client, &status, &headers, body.len())?;
            client.write_all(&body[..cut])?;
            return client.shutdown(Shutdown::Both);
        }
        self.lock().aborted += usize::from(request.is("DELETE", "uploadId="));
        answer(&mut client, &status, &headers, if request.is("HEAD", "") { &[] } else { &body })
    }

    /// In the middle of a part: holds it, or ends its connection, which is then true.
    fn breaks_part(&self, client: &TcpStream) -> io::Result<bool> {
        let mut state = self.lock();
        if state.faults.cut_parts > 0 {
            state.faults.cut_parts -= 1;
            client.shutdown(Shutdown::Both)?;
            return Ok(true);
        }
        state.held += 1;
        let mut state =
            self.changed.wait_while(state, |s| s.faults.hold_parts).unwrap_or_else(|poisoned| poisoned.into_inner());
        state.held -= 1;
        Ok(false)
    }

    fn refuses(&self, is_part: bool) -> Option<(&'static str, &'static str)> {
        let faults = &mut self.lock().faults;
        if faults.expired {
            return Some(("403 Forbidden", "ExpiredToken"));
        }
        if is_part && faults.fail_parts > 0 {
            faults.fail_parts -= 1;
            return Some(("500 Internal Server Error", "InternalError"));
        }
        None
    }

    /// The server's answer: its status, its headers, its body. HTTP/1.0 has no chunks and ends with its connection.
    fn pass_on(&self, request: &Request) -> io::Result<(String, Vec<String>, Vec<u8>)> {
        let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, self.upstream))?;
        server.write_all(request.head.replacen("HTTP/1.1", "HTTP/1.0", 1).as_bytes())?;
        server.write_all(&request.body)?;
        let head = read_head(&mut server)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut body = Vec::new();
        server.read_to_end(&mut body)?;
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split_once(' ')).map(|(_, status)| status.to_owned());
        let ours = ["connection:", "transfer-encoding:"];
        let keep = |line: &&str| !line.is_empty() && !ours.iter().any(|h| line.to_ascii_lowercase().starts_with(h));
        // A HEAD has a length and no body.
        let is_head = request.is("HEAD", "");
        let keep = |line: &&str| keep(line) && (is_head || !line.to_ascii_lowercase().starts_with("content-length:"));
        Ok((status.unwrap_or_default(), lines.filter(keep).map(str::to_owned).collect(), body))
    }
}

fn read_head(stream: &mut TcpStream) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte)? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
    }
    String::from_utf8(head).map(Some).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

fn answer(client: &mut TcpStream, status: &str, headers: &[String], body: &[u8]) -> io::Result<()> {
    write_head(client, status, headers, body.len())?;
    client.write_all(body)
}

fn write_head(client: &mut TcpStream, status: &str, headers: &[String], length: usize) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {status}\r\n");
    headers.iter().for_each(|line| head.push_str(&format!("{line}\r\n")));
    if header(&head, "content-length").is_none() && !status.starts_with("204") {
        head.push_str(&format!("content-length: {length}\r\n"));
    }
    head.push_str("connection: close\r\n\r\n");
    client.write_all(head.as_bytes())
}

/// A list without the snapshots of the latest name.
fn without_newest(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body).into_owned();
    let entries: Vec<&str> =
        text.split("<Contents>").skip(1).filter_map(|rest| rest.split("</Contents>").next()).collect();
    let name = |entry: &str| {
        let key = entry.split_once("<Key>")?.1.split_once("</Key>")?.0;
        key.rsplit('/').next().filter(|name| name.ends_with(".snap")).map(str::to_owned)
    };
    let Some(newest) = entries.iter().filter_map(|entry| name(entry)).max() else { return text.clone() };
    let hidden = entries.iter().filter(|entry| name(entry).as_ref() == Some(&newest));
    hidden.fold(text.clone(), |text, entry| text.replace(&format!("<Contents>{entry}</Contents>"), ""))
}
