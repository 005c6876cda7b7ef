//! Permissions on a broker that has an authorizer. rdkafka has no call for them, so the requests are written here as
//! Kafka's protocol has them (DescribeAcls, CreateAcls and DeleteAcls, version 1).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::Broker;

/// Broker settings: everybody may do everything, but for what is denied.
pub const AUTHORIZER: [(&str, &str); 2] = [
    ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
    ("allow.everyone.if.no.acl.found", "true"),
];

const DESCRIBE: i16 = 29;
const CREATE: i16 = 30;
const DELETE: i16 = 31;
const VERSION: i16 = 1;
const LITERAL: u8 = 3;
const PREFIXED: u8 = 4;
const DENY: u8 = 2;
const ALLOW: u8 = 3;
const OF_ANY_KIND: [u8; 2] = [1, 1];
const KNOWN_WITHIN: Duration = Duration::from_secs(10);
const ANYBODY: &str = "User:*";

/// What a permission is about.
#[derive(Clone, Copy, Debug)]
pub enum Resource<'a> {
    Topic(&'a str),
    Group(&'a str),
    /// Those that begin so.
    TransactionalIds(&'a str),
}

#[derive(Clone, Copy, Debug)]
pub enum Operation {
    All = 2,
    Read = 3,
    Write = 4,
    Describe = 8,
}

impl Resource<'_> {
    /// Kind, name, and how the name is meant.
    fn parts(&self) -> (u8, &str, u8) {
        match self {
            Resource::Topic(name) => (2, name, LITERAL),
            Resource::Group(name) => (3, name, LITERAL),
            Resource::TransactionalIds(prefix) => (5, prefix, PREFIXED),
        }
    }
}

impl Broker {
    /// Nobody may do it any more; all the rest stays allowed.
    #[track_caller]
    pub fn deny(&self, resource: Resource<'_>, operation: Operation) {
        // Where a permission is given at all, nobody else has one.
        self.ask(CREATE, resource, &[Operation::All as u8, ALLOW]);
        self.ask(CREATE, resource, &[operation as u8, DENY]);
        self.wait_known(resource, 1);
    }

    /// Takes back all that was denied there.
    #[track_caller]
    pub fn deny_no_more(&self, resource: Resource<'_>) {
        self.ask(DELETE, resource, &OF_ANY_KIND);
        self.wait_known(resource, 0);
    }

    /// The authorizer learns of a change a moment after it was taken.
    #[track_caller]
    fn wait_known(&self, resource: Resource<'_>, resources: i32) {
        super::eventually(KNOWN_WITHIN, "the authorizer to know", || {
            let answer = self.ask(DESCRIBE, resource, &OF_ANY_KIND);
            // After the code: no message, and then the resources that the filter finds.
            let found = i32::from_be_bytes(answer[12..16].try_into().expect("four bytes"));
            if found == resources { Ok(()) } else { Err(format!("{found} resources")) }
        });
    }

    #[track_caller]
    fn ask(&self, request: i16, resource: Resource<'_>, operation_and_permission: &[u8]) -> Vec<u8> {
        let (kind, name, meant) = resource.parts();
        let mut body = Vec::new();
        let text = |body: &mut Vec<u8>, text: &str| {
            body.extend(i16::try_from(text.len()).expect("a short text").to_be_bytes());
            body.extend(text.as_bytes());
        };
        for number in [request, VERSION] {
            body.extend(number.to_be_bytes());
        }
        body.extend(0i32.to_be_bytes());
        text(&mut body, "tests");
        if request != DESCRIBE {
            // One of them.
            body.extend(1i32.to_be_bytes());
        }
        body.push(kind);
        text(&mut body, name);
        body.push(meant);
        text(&mut body, ANYBODY);
        text(&mut body, "*");
        body.extend(operation_and_permission);

        let mut socket = TcpStream::connect(self.addresses()).expect("the broker");
        socket.write_all(&i32::try_from(body.len()).expect("a short request").to_be_bytes()).expect("a request");
        socket.write_all(&body).expect("a request");
        let mut length = [0; 4];
        socket.read_exact(&mut length).expect("an answer");
        let mut answer = vec![0; usize::try_from(i32::from_be_bytes(length)).expect("a length")];
        socket.read_exact(&mut answer).expect("an answer");
        // After the correlation id, the throttle time and, where there are many, the number of results.
        let at = if request == DESCRIBE { 8 } else { 12 };
        assert_eq!(&answer[at..at + 2], [0, 0], "{resource:?}: {}", String::from_utf8_lossy(&answer));
        answer
    }
}
