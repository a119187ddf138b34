use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::*;
use crate::report::sample;

#[test]
fn it_reads_well() {
    insta::assert_snapshot!(write(&sample::with_past()), @"");
}
