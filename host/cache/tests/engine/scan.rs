//! Pages.

use std::collections::BTreeSet;

use skep_cache::{BucketOptions, Error, PAGE_KEYS_MAX, PAGE_SLOTS_MAX};
use skep_types::ByteSize;

use crate::{all_keys, bucket, put};

#[test]
fn what_stays_is_met_once_whatever_else_comes_and_goes() {
    let (bucket, _) = bucket(&BucketOptions { bytes: ByteSize::mib(256), ..BucketOptions::default() });
    for n in 0..20_000 {
        put(&bucket, &format!("stays {n}"), "");
        put(&bucket, &format!("goes {n}"), "");
    }
    let (mut met, mut cursor, mut round) = (Vec::new(), None, 0);
    loop {
        let page = bucket.keys("stays ", cursor.as_deref(), 300).unwrap();
        met.extend(page.keys);
        for n in round * 100..(round + 1) * 100 {
            bucket.delete(&format!("goes {n}"));
            put(&bucket, &format!("comes {n}"), "");
            put(&bucket, &format!("stays {n}"), "written over, and longer than it was");
        }
        round += 1;
        match page.cursor {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    assert_eq!(met.len(), 20_000);
    assert_eq!(met.into_iter().collect::<BTreeSet<_>>().len(), 20_000);
}

#[test]
fn a_page_is_bounded_by_keys_and_by_slots() {
    let (bucket, _) = bucket(&BucketOptions { bytes: ByteSize::mib(256), ..BucketOptions::default() });
    for n in 0..PAGE_SLOTS_MAX + 1000 {
        put(&bucket, &n.to_string(), "");
    }
    assert_eq!(bucket.keys("", None, usize::MAX).unwrap().keys.len(), PAGE_KEYS_MAX);
    let page = bucket.keys("none of them", None, 1).unwrap();
    assert_eq!(page.looked_at, PAGE_SLOTS_MAX, "what was looked at is told, whatever was found");
    assert!(page.keys.is_empty());
    let rest = bucket.keys("none of them", page.cursor.as_deref(), 1).unwrap();
    assert_eq!((page.cursor.is_some(), rest.cursor), (true, None));
    assert!(matches!(bucket.keys("", None, 0), Err(Error::Invalid(_))));
}

#[test]
fn a_hostile_cursor_is_refused_and_a_stale_one_ends() {
    let (bucket, _) = bucket(&BucketOptions::default());
    for n in 0..100 {
        put(&bucket, &n.to_string(), "");
    }
    let good = bucket.keys("", None, 10).unwrap().cursor.unwrap();
    let far = format!("{}ffffffff", &good[..18]);
    assert!(bucket.keys("", Some(&far), 10).is_ok(), "past the end of a shard the next one follows");
    let off = format!("{}ff00000000", &good[..16]);
    let plus = format!("{}+0000000", &good[..18]);
    for bad in ["", "0", "ä", &"ä".repeat(13), &"f".repeat(26), &format!("{good}0"), &off, &plus, &good[..25]] {
        assert!(matches!(bucket.keys("", Some(bad), 10), Err(Error::Invalid(_))), "{bad}");
    }
    bucket.clear();
    assert_eq!(bucket.keys("", Some(&good), 10).unwrap().cursor, None);
    assert!(all_keys(&bucket, "", 10).is_empty());
}
