//! Settings of the response cache.

use super::declare::settings_group;
use super::kind::number;

settings_group! {
    /// Cache
    CacheSettings {
        /// Maximum memory for cached responses to anonymous reads. 0 disables the cache.
        CACHE_BYTES => bytes: u64 = number(0..=1 << 40).unit("bytes").default("16777216");
    }
}
