//! Which document is in force, and by which a shard is judged.

use std::cell::Cell;

use crate::kafka::current::Visit;
use crate::kafka::offsets::Committed;

use super::*;

const CONTROL: Str = Str::new_static("control");

fn policies(revision: Option<u64>, target: &str) -> Arc<Policies> {
    let revision = revision.map_or(String::new(), |revision| format!("revision: {revision}\n"));
    let text = format!(
        "{revision}slas:\n  - {{id: paid, start: order.placed, stop: payment.captured, target: {target}, \
         severity: info, owner: o, route: r, expected_outcome: e}}\n"
    );
    Arc::new(parse_policies("test", &text).unwrap().0)
}

fn told(records: &[OutputRecord]) -> Documents {
    let mut documents = Documents::default();
    take(&mut documents, records);
    documents
}

fn take(documents: &mut Documents, records: &[OutputRecord]) {
    for OutputRecord { key, value, .. } in records {
        documents.take(&Entry { offset: 0, key: key.as_deref(), value: value.as_deref(), content_type: None });
    }
}

fn chosen(in_force: &Policies, own: &Arc<Policies>) -> String {
    let mut documents = told(&put_in_force(&CONTROL, in_force));
    let gives_way = documents.gives_way_to(own);
    if gives_way {
        take(&mut documents, &put_in_force(&CONTROL, own));
    }
    match documents.choose(own).unwrap() {
        Choice::Own if gives_way => "ours".to_owned(),
        Choice::Own => "in force".to_owned(),
        Choice::Theirs(theirs, why) => {
            assert_eq!(theirs.version, in_force.version);
            why
        }
    }
}

#[test]
fn the_highest_revision_is_in_force_and_without_one_the_last_start() {
    let (r7, r8) = (policies(Some(7), "1h"), policies(Some(8), "2h"));
    assert_eq!(chosen(&r7, &r8), "ours");
    assert_eq!(chosen(&r7, &r7), "in force");
    assert_eq!(chosen(&r8, &r7), "revision 8 is in force, and this one is revision 7");
    let other = chosen(&r7, &policies(Some(7), "3h"));
    assert!(other.starts_with("revision 7 is in force with another text"), "{other}");
    assert_eq!(chosen(&r7, &policies(None, "1h")), "revision 7 is in force, and this one has no revision");
    assert_eq!(chosen(&policies(None, "1h"), &policies(None, "2h")), "ours");
    assert_eq!(chosen(&policies(None, "1h"), &r7), "ours");
}

#[test]
fn a_shard_remembers_its_documents_and_a_change_is_decreed_once() {
    let (first, second) = (policies(Some(1), "1h"), policies(Some(2), "2h"));
    let mut documents = told(&put_in_force(&CONTROL, &first));
    let at = |offset| [(Str::new_static("orders"), offset)];
    let judged = documents.judged(&first, &CONTROL, 3, None, &at(0)).unwrap();
    assert_eq!(judged.decree.len(), 2);
    take(&mut documents, &judged.decree);
    assert!(documents.judged(&first, &CONTROL, 3, None, &at(9)).unwrap().decree.is_empty());

    take(&mut documents, &put_in_force(&CONTROL, &second));
    let frontier = Some(Timestamp::from_millis(77));
    let judged = documents.judged(&second, &CONTROL, 3, frontier, &at(9)).unwrap();
    assert_eq!((judged.policies.revision, judged.decree.len()), (Some(2), 2));
    take(&mut documents, &judged.decree);
    // A process that still has the old file judges by the new one all the same.
    let judged = documents.judged(&first, &CONTROL, 3, frontier, &at(20)).unwrap();
    assert_eq!((judged.policies.revision, judged.decree.len()), (Some(2), 0));
}

#[test]
fn without_revisions_a_running_process_takes_up_what_was_put_in_force_after_its_own() {
    let (first, second) = (policies(None, "1h"), policies(None, "2h"));
    let mut documents = told(&put_in_force(&CONTROL, &first));
    take(&mut documents, &put_in_force(&CONTROL, &second));
    let judged = documents.judged(&first, &CONTROL, 0, None, &[]).unwrap();
    assert_eq!(judged.policies.version, second.version);
}

#[test]
fn a_lower_revision_that_was_put_in_force_after_a_higher_one_replaces_it_nowhere() {
    let (r7, r8) = (policies(Some(7), "1h"), policies(Some(8), "2h"));
    let mut documents = told(&put_in_force(&CONTROL, &r8));
    take(&mut documents, &put_in_force(&CONTROL, &r7));
    assert_eq!(documents.in_force.as_ref().unwrap().revision, Some(8));
    // A compaction has left the later record alone: the shard knows better, and its commit says so.
    let judged = told(&put_in_force(&CONTROL, &r8)).judged(&r8, &CONTROL, 3, None, &[]).unwrap();
    let mut compacted = told(&put_in_force(&CONTROL, &r7));
    take(&mut compacted, &judged.decree);
    let judged = compacted.judged(&r7, &CONTROL, 3, None, &[]).unwrap();
    assert_eq!(judged.policies.revision, Some(8));
    take(&mut compacted, &judged.decree);
    assert_eq!(compacted.in_force.as_ref().unwrap().revision, Some(8));
    assert!(compacted.judged(&r7, &CONTROL, 3, None, &[]).unwrap().decree.is_empty());
}

#[test]
fn a_document_in_force_whose_text_is_lost_is_an_error() {
    let in_force = put_in_force(&CONTROL, &policies(Some(9), "1h"));
    let error = told(&in_force[1..]).choose(&policies(Some(1), "1h")).unwrap_err();
    assert!(error.contains("lacks the text"), "{error}");
}

/// A control topic of which only so many records can be read until their transactions' markers have come.
struct Topic {
    records: Vec<OutputRecord>,
    stable: Cell<usize>,
    waited: Cell<usize>,
}

impl Log for Topic {
    fn read_back(&self, _: &str, _: i32, target: i64, visit: &mut Visit<'_>) -> Result<i64, RunError> {
        let target = usize::try_from(target).unwrap_or(0).min(self.records.len());
        if target > self.stable.get() {
            self.waited.set(self.waited.get() + 1);
            self.stable.set(target);
        }
        let stable = self.stable.get();
        for (offset, OutputRecord { key, value, .. }) in (0..).zip(&self.records[..stable]) {
            let entry = Entry { offset, key: key.as_deref(), value: value.as_deref(), content_type: None };
            visit(entry).expect("a record of ours");
        }
        Ok(stable as i64)
    }

    fn end(&self, _: &str, _: i32) -> Result<i64, RunError> {
        Ok(self.records.len() as i64)
    }

    fn commits(&self, _: &[Str], _: i32) -> Result<Vec<Option<Committed>>, RunError> {
        Ok(Vec::new())
    }

    fn bounds(&self, _: &str, _: i32) -> Result<(i64, i64), RunError> {
        Ok((0, 0))
    }

    fn offset_at(&self, _: &str, _: i32, _: Timestamp) -> Result<Option<i64>, RunError> {
        Ok(None)
    }

    fn time_at(&self, _: &str, _: i32, _: i64) -> Result<Option<Timestamp>, RunError> {
        Ok(None)
    }
}

#[test]
fn a_restore_waits_until_the_topic_says_what_the_last_commit_says_and_no_longer() {
    let (first, second) = (policies(Some(1), "1h"), policies(Some(2), "2h"));
    let mut records = put_in_force(&CONTROL, &first);
    let before = told(&records).judged(&first, &CONTROL, 3, None, &[]).unwrap().decree;
    records.extend(before);
    records.extend(put_in_force(&CONTROL, &second));
    let applied = told(&records).judged(&second, &CONTROL, 3, None, &[]).unwrap().decree;
    records.extend(applied);
    // The document's mark on the shard is written, and its marker has not come.
    let topic = Topic { stable: Cell::new(records.len() - 1), records, waited: Cell::new(0) };
    let restored = |committed| {
        let documents = Documents::read_for(&topic, &CONTROL, 3, committed).unwrap();
        documents.judged(&second, &CONTROL, 3, None, &[]).unwrap().decree.len()
    };
    assert_eq!((restored(Some(&first.version)), topic.waited.get()), (2, 0), "it says so already");
    assert_eq!((restored(Some(&second.version)), topic.waited.get()), (0, 1), "known, and not decreed once more");
    // What never comes is not waited for: the topic was made anew.
    assert_eq!((restored(Some(&Str::new("lost"))), topic.waited.get()), (0, 1));
    topic.stable.set(1);
    Documents::read(&topic, &CONTROL).unwrap();
    assert_eq!(topic.stable.get(), topic.records.len(), "a start reads to the end");
}
