// What authentication reads: an immutable index over the tables, replaced as a whole by every change.
#pragma once

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <string>

#include "tenancy/store.hpp"
#include "tenancy/tenancy.hpp"

namespace moegate::tenancy {

struct KeyEntry {
  KeyRow row;
  Principal principal;
  std::shared_ptr<std::atomic<std::int64_t>> last_used_us;  // one a key, shared by all snapshots
};

struct Snapshot {
  Tables tables;
  std::map<std::string, KeyEntry, std::less<>> keys;
  std::map<std::string, const AdminRow*, std::less<>> admins;  // into tables
  std::map<std::string, const LimitRow*, std::less<>> limits;  // "key 4tz...", into tables

  const OrgRow* org(std::string_view name) const;
  const ProjectRow* project(std::string_view org, std::string_view name) const;
  KeyLimits limits_of(std::string_view scope, std::string_view scope_id) const;
};

// Clocks of last use are taken over from `previous` (may be null).
std::shared_ptr<const Snapshot> build_snapshot(Tables tables, const Snapshot* previous);

}  // namespace moegate::tenancy
