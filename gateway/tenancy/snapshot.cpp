#include "tenancy/snapshot.hpp"

#include <algorithm>

namespace moegate::tenancy {

const OrgRow* Snapshot::org(std::string_view name) const {
  const auto place =
      std::find_if(tables.orgs.begin(), tables.orgs.end(), [&](const OrgRow& row) { return row.org == name; });
  return place == tables.orgs.end() ? nullptr : &*place;
}

const ProjectRow* Snapshot::project(std::string_view org, std::string_view name) const {
  const auto place = std::find_if(tables.projects.begin(), tables.projects.end(),
                                  [&](const ProjectRow& row) { return row.org == org && row.project == name; });
  return place == tables.projects.end() ? nullptr : &*place;
}

KeyLimits Snapshot::limits_of(std::string_view scope, std::string_view scope_id) const {
  const auto place = limits.find(std::string(scope) + " " + std::string(scope_id));
  if (place == limits.end()) return {};
  return {static_cast<std::uint64_t>(place->second->requests_per_minute),
          static_cast<std::uint64_t>(place->second->concurrent_requests)};
}

std::shared_ptr<const Snapshot> build_snapshot(Tables tables, const Snapshot* previous) {
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->tables = std::move(tables);
  for (const LimitRow& row : snapshot->tables.limits) snapshot->limits[row.scope + " " + row.scope_id] = &row;
  for (const AdminRow& row : snapshot->tables.admins) snapshot->admins[row.admin_id] = &row;
  for (const KeyRow& row : snapshot->tables.keys) {
    KeyEntry entry{row, {row.org, row.project, row.key_id, row.name, row.models, {}, {}, {}}, nullptr};
    entry.principal.key_limits = snapshot->limits_of("key", row.key_id);
    entry.principal.project_limits = snapshot->limits_of("project", row.org + "/" + row.project);
    entry.principal.org_limits = snapshot->limits_of("org", row.org);
    if (previous != nullptr) {
      if (const auto place = previous->keys.find(row.key_id); place != previous->keys.end()) {
        entry.last_used_us = place->second.last_used_us;
      }
    }
    if (entry.last_used_us == nullptr) entry.last_used_us = std::make_shared<std::atomic<std::int64_t>>(0);
    snapshot->keys.emplace(row.key_id, std::move(entry));
  }
  return snapshot;
}

}  // namespace moegate::tenancy
