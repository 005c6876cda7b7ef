//! Permissions on a broker that has an authorizer. rdkafka has no call for them, so the two requests are written here
//! as Kafka's protocol has them (CreateAcls and DeleteAcls, version 1).

use std::io::{Read, Write};
use std::net::TcpStream;

use super::Broker;

/// Broker settings: everybody may do everything, but for what is denied.
pub const AUTHORIZER: [(&str, &str); 2] = [
    ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
    ("allow.everyone.if.no.acl.found", "true"),
];

const CREATE: i16 = 30;
const DELETE: i16 = 31;
const VERSION: i16 = 1;
const LITERAL: u8 = 3;
const DENY: u8 = 2;
const ALLOW: u8 = 3;
const EVERY_OPERATION: u8 = 2;
const ANYBODY: &str = "User:*";

/// What a permission is about.
#[derive(Clone, Copy, Debug)]
pub enum Resource<'a> {
    Topic(&'a str),
    Group(&'a str),
    TransactionalId(&'a str),
}

#[derive(Clone, Copy, Debug)]
pub enum Operation {
    Read = 3,
    Write = 4,
    Create = 5,
    Describe = 8,
}

impl Resource<'_> {
    fn kind_and_name(&self) -> (u8, &str) {
        match self {
            Resource::Topic(name) => (2, name),
            Resource::Group(name) => (3, name),
            Resource::TransactionalId(name) => (5, name),
        }
    }
}

impl Broker {
    /// Nobody may do it any more; all the rest stays allowed.
    #[track_caller]
    pub fn deny(&self, resource: Resource<'_>, operation: Operation) {
        // Where a permission is given at all, nobody else has one.
        self.ask(CREATE, resource, &[EVERY_OPERATION, ALLOW]);
        self.ask(CREATE, resource, &[operation as u8, DENY]);
    }

    /// Takes back all that was denied there.
    #[track_caller]
    pub fn deny_no_more(&self, resource: Resource<'_>) {
        const OF_ANY_KIND: [u8; 2] = [1, 1];
        self.ask(DELETE, resource, &OF_ANY_KIND);
    }

    #[track_caller]
    fn ask(&self, request: i16, resource: Resource<'_>, operation_and_permission: &[u8]) {
        let (kind, name) = resource.kind_and_name();
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
        body.extend(1i32.to_be_bytes());
        body.push(kind);
        text(&mut body, name);
        body.push(LITERAL);
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
        // After the correlation id, the throttle time and the number of results.
        let code = i16::from_be_bytes([answer[12], answer[13]]);
        assert_eq!(code, 0, "{resource:?}: {}", String::from_utf8_lossy(&answer));
    }
}
