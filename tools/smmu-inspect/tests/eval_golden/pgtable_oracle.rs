//! A table as a list of leaves: what the operations of the page-table kinds mean, by the contract, with nothing of the crates.

use super::records::number;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Clone, Copy)]
struct Leaf {
    size: u64,
    pa: u64,
    bits: u64,
}

/// A table.
pub(crate) struct Oracle {
    /// The record has contiguous groups and `DS`, and all its operations are on ranges.
    extended: bool,
    ds: bool,
    page: u64,
    /// Sizes of its leaves, largest first.
    sizes: Vec<u64>,
    input: (u128, u128),
    output: u128,
    stage2: bool,
    quirks: Vec<String>,
    leaves: BTreeMap<u64, Leaf>,
}

/// Groups of 512G blocks with 4K pages and of 4T blocks with 64K: Contiguous is RES0 in those (D8.7.1).
pub(crate) const NO_GROUPS: u64 = 1 << 43 | 1 << 47;

fn has(list: &Value, name: &str) -> bool {
    list.as_array().unwrap().iter().any(|item| item == name)
}

impl Oracle {
    /// The table of a record, by what the recorded driver made of its `cfg`.
    pub(crate) fn new(record: &Value) -> Self {
        if record["cfg"].get("features").is_some() {
            return Self::extended(record);
        }
        let (cfg, result) = (&record["cfg"], &record["result"]);
        let quirks: Vec<String> = serde_json::from_value(cfg["quirks"].clone()).unwrap();
        let page = number(&result["granule"]);
        let (start, bits) = (number(&result["start_level"]), number(&result["bits_per_level"]));
        // a level that walks do not reach has no leaves
        let level = |level: u64| page << (bits * (3 - level));
        let sizes = (start..=3).map(level).filter(|size| number(&result["pgsize_bitmap"]) & size != 0);
        let end = 1u128 << number(&result["ias"]);
        let upper = quirks.iter().any(|quirk| quirk == "ARM_TTBR1");
        Self {
            extended: false,
            ds: false,
            page,
            sizes: sizes.collect(),
            input: if upper { ((1 << 64) - end, 1 << 64) } else { (0, end) },
            output: 1 << number(&result["oas"]),
            stage2: cfg["fmt"] == "S2",
            quirks,
            leaves: BTreeMap::new(),
        }
    }

    /// A table with contiguous groups: each is one large leaf here.
    fn extended(record: &Value) -> Self {
        let (cfg, result) = (&record["cfg"], &record["result"]);
        let features: Vec<String> = serde_json::from_value(cfg["features"].clone()).unwrap();
        let has = |name: &str| features.iter().any(|feature| feature == name);
        let used = number(record.get("pgsizes_used").unwrap_or(&result["pgsizes"])) & !NO_GROUPS;
        let end = 1u128 << number(&result["ias"]);
        let quirk = |feature: &str, quirk: &str| has(feature).then(|| quirk.to_owned());
        Self {
            extended: true,
            ds: has("LPA2"),
            page: number(&cfg["granule"]),
            sizes: (0..64).rev().map(|bit| 1u64 << bit).filter(|size| used & size != 0).collect(),
            input: if has("TTBR1") { ((1 << 64) - end, 1 << 64) } else { (0, end) },
            output: 1 << number(&result["oas"]),
            stage2: has("S2"),
            quirks: quirk("DBM", "ARM_HD").into_iter().chain(quirk("S2FWB", "ARM_S2FWB")).collect(),
            leaves: BTreeMap::new(),
        }
    }

    /// The size of the descriptors that make up a leaf of `size` bytes: less than that for a contiguous group (table D8-104).
    fn descriptor_size(&self, size: u64) -> u64 {
        let groups: &[(u64, u64)] = match self.page {
            0x1000 => &[(1 << 34, 16), (1 << 25, 16), (1 << 16, 16)],
            0x4000 => &[(1 << 30, 32), (1 << 21, 128)],
            _ => &[(1 << 34, 32), (1 << 21, 32)],
        };
        groups.iter().find(|(group, _)| *group == size).map_or(size, |(group, members)| group / members)
    }

    /// An output address as it stands in a descriptor.
    fn packed(&self, pa: u64) -> u64 {
        if self.page == 1 << 16 {
            return pa & 0xffff_ffff_ffff | pa >> 48 << 12;
        }
        if self.ds { pa & 0x3_ffff_ffff_ffff | pa >> 50 << 8 } else { pa }
    }

    fn quirk(&self, name: &str) -> bool {
        self.quirks.iter().any(|quirk| quirk == name)
    }

    /// The attribute bits of DDI 0487 D8.3.1.2; `None` for no access.
    fn bits(&self, prot: &Value) -> Option<u64> {
        let is = |name: &str| u64::from(has(prot, name));
        let (read, write, cache, device) = (is("READ"), is("WRITE"), is("CACHE"), is("MMIO"));
        let never = is("NOEXEC");
        if read | write == 0 {
            return None;
        }
        let common = if self.ds { 1 << 10 } else { (2 | cache) << 8 | 1 << 10 };
        Some(if self.stage2 {
            let forced = self.quirk("ARM_S2FWB");
            let memory = match (device, cache) {
                (1, _) => 1,
                (_, 1) if forced => 6,
                (_, 1) => 15,
                _ => 5,
            };
            let dirty = u64::from(self.quirk("ARM_HD")) & write;
            common | memory << 2 | read << 6 | write << 7 | dirty << 51 | never << 54
        } else {
            let index = if device == 1 { 2 } else { cache };
            let (secure, dirty) = (u64::from(self.quirk("ARM_NS")), u64::from(self.quirk("ARM_HD")));
            let access = (1 - is("PRIV")) << 6 | (1 - write) << 7;
            common | index << 2 | secure << 5 | access | 1 << 11 | (dirty & write) << 51 | (3 * never) << 53
        })
    }

    fn find(&self, iova: u64) -> Option<(u64, Leaf)> {
        let (start, leaf) = self.leaves.range(..=iova).next_back()?;
        (iova - start < leaf.size).then_some((*start, *leaf))
    }

    /// Starts of the leaves in `iova..iova + size`, those that only reach into it too.
    fn touching(&self, iova: u64, size: u64) -> Vec<u64> {
        let head = self.find(iova).map(|(start, _)| start).filter(|start| *start < iova);
        let last = iova + (size - 1);
        head.into_iter().chain(self.leaves.range(iova..=last).map(|(start, _)| *start)).collect()
    }

    fn within(&self, iova: u64, size: u64) -> bool {
        let (first, end) = (u128::from(iova), u128::from(iova) + u128::from(size));
        first >= self.input.0 && end <= self.input.1
    }

    /// What `map` and `unmap` cover: no more than to the end of a table.
    fn clipped(&self, op: &Value) -> u64 {
        let (iova, size) = (number(&op["iova"]), number(&op["pgsize"]));
        let table = u128::from(size) * u128::from(self.page / 8);
        let end = (u128::from(iova) / table + 1) * table;
        let end = if u128::from(iova) < self.input.1 { end.min(self.input.1) } else { end };
        let bytes = u128::from(size) * u128::from(number(&op["pgcount"]));
        u64::try_from(bytes.min(end - u128::from(iova))).unwrap()
    }

    /// Maps with the largest leaves of `sizes`; `false` and nothing is done if that cannot be.
    fn map(&mut self, op: &Value, bytes: u64, sizes: &[u64]) -> bool {
        let (iova, pa) = (number(&op["iova"]), number(&op["paddr"]));
        let Some(bits) = self.bits(&op["prot"]) else { return false };
        let least = *sizes.last().unwrap();
        let fits = self.within(iova, bytes) && u128::from(pa) + u128::from(bytes) <= self.output;
        if (iova | pa | bytes) % least != 0 || !fits || !self.touching(iova, bytes).is_empty() {
            return false;
        }
        let mut done = 0;
        while done < bytes {
            let (iova, pa) = (iova + done, pa + done);
            let size = sizes.iter().find(|size| (iova | pa) % **size == 0 && **size <= bytes - done);
            let size = *size.unwrap();
            self.leaves.insert(iova, Leaf { size, pa, bits });
            done += size;
        }
        true
    }

    /// Unmaps page by page, until one holds nothing or is a part of a block.
    fn unmap(&mut self, iova: u64, bytes: u64, sizes: &[u64]) -> u64 {
        let least = *sizes.last().unwrap();
        if (iova | bytes) % least != 0 || bytes != 0 && !self.within(iova, bytes) {
            return 0;
        }
        let mut done = 0;
        while done < bytes {
            let start = iova + done;
            let size = *sizes.iter().find(|size| start % **size == 0 && **size <= bytes - done).unwrap();
            let touching = self.touching(start, size);
            if touching.is_empty()
                || touching.iter().any(|leaf| *leaf < start || self.leaves[leaf].size > size)
            {
                break;
            }
            touching.iter().for_each(|leaf| _ = self.leaves.remove(leaf));
            done += size;
        }
        done
    }

    /// Unmaps leaf by leaf, until there is a hole or a leaf that reaches beyond the range.
    fn unmap_to_hole(&mut self, op: &Value) -> u64 {
        let (iova, bytes) = (number(&op["iova"]), number(&op["size"]));
        let mut done = 0;
        while let Some(leaf) = self.leaves.get(&(iova + done)).filter(|leaf| leaf.size <= bytes - done) {
            let size = leaf.size;
            self.leaves.remove(&(iova + done));
            done += size;
            if done == bytes {
                break;
            }
        }
        done
    }

    fn dirty(&mut self, op: &Value) -> Value {
        let (iova, size) = (number(&op["iova"]), number(&op["size"]));
        let tracked = self.quirk("ARM_HD");
        if size == 0 || u128::from(iova) + u128::from(size) > 1 << 64 || !self.within(iova, size) || !tracked
        {
            return json!({"ret": "EINVAL", "dirty": []});
        }
        let mut runs: Vec<(u64, u64, u64)> = Vec::new();
        for start in self.touching(iova, size) {
            let leaf = self.leaves.get_mut(&start).unwrap();
            let clean = u64::from(!self.stage2);
            if leaf.bits >> 51 & 1 == 0 || leaf.bits >> 7 & 1 == clean {
                continue;
            }
            leaf.bits ^= u64::from(op["no_clear"] == false) << 7;
            match runs.last_mut() {
                Some((first, size, count)) if *size == leaf.size && *first + *size * *count == start => {
                    *count += 1
                }
                _ => runs.push((start, leaf.size, 1)),
            }
        }
        let runs: Vec<Value> =
            runs.iter().map(|(start, size, count)| json!([hex(*start), hex(*size), count])).collect();
        json!({"ret": "OK", "dirty": runs})
    }

    /// The result of one operation; refusals all have the name `refused`.
    pub(crate) fn run(&mut self, op: &Value) -> Value {
        let sizes = self.sizes.clone();
        let one =
            |key: &str| sizes.iter().copied().filter(|size| *size == number(&op[key])).collect::<Vec<_>>();
        let mapped = |done: bool, bytes: u64| {
            if done {
                json!({"ret": "OK", "mapped": hex(bytes)})
            } else {
                json!({"ret": "refused", "mapped": "0x0"})
            }
        };
        match op["op"].as_str().unwrap() {
            "map" if self.extended => {
                let bytes = number(&op["size"]);
                mapped(self.map(op, bytes, &sizes), bytes)
            }
            "unmap" if self.extended => json!({"unmapped": hex(self.unmap_to_hole(op))}),
            "hw_write" if self.extended => {
                let ret = match self.find(number(&op["iova"])) {
                    None => "ENOENT",
                    Some((_, leaf)) if leaf.bits >> 51 & 1 == 0 => "EAGAIN",
                    Some((start, leaf)) => {
                        let dirty = if self.stage2 { leaf.bits | 1 << 7 } else { leaf.bits & !(1 << 7) };
                        self.leaves.insert(start, Leaf { bits: dirty, ..leaf });
                        "OK"
                    }
                };
                json!({"ret": ret})
            }
            "map" => {
                let one = one("pgsize");
                if one.is_empty() || number(&op["pgcount"]) == 0 {
                    return mapped(!one.is_empty(), 0);
                }
                let bytes = self.clipped(op);
                mapped(self.map(op, bytes, &one), bytes)
            }
            "iommu_map" => {
                let bytes = number(&op["size"]);
                mapped(bytes == 0 || self.map(op, bytes, &sizes), bytes)
            }
            "unmap" => {
                let one = one("pgsize");
                let done =
                    if one.is_empty() { 0 } else { self.unmap(number(&op["iova"]), self.clipped(op), &one) };
                json!({"unmapped": hex(done)})
            }
            "iommu_unmap" => {
                json!({"unmapped": hex(self.unmap(number(&op["iova"]), number(&op["size"]), &sizes))})
            }
            "iova_to_phys" => {
                let iova = number(&op["iova"]);
                json!({"paddr": hex(self.find(iova).map_or(0, |(start, leaf)| leaf.pa + (iova - start)))})
            }
            "read_and_clear_dirty" => self.dirty(op),
            "hw_write" => {
                let found = self.find(number(&op["iova"]));
                let clean = found.filter(|(_, leaf)| leaf.bits >> 51 & 1 == 1 && leaf.bits >> 7 & 1 == 1);
                if let Some((start, leaf)) = clean {
                    self.leaves.insert(start, Leaf { bits: leaf.bits & !(1 << 7), ..leaf });
                }
                json!({"changed": u8::from(clean.is_some())})
            }
            "pgtable_walk" => json!({}),
            other => panic!("{other}"),
        }
    }

    /// All leaves, as answers list them.
    pub(crate) fn leaves(&self) -> Vec<Value> {
        let members = |(start, leaf): (&u64, &Leaf)| {
            let (start, leaf, size) = (*start, *leaf, self.descriptor_size(leaf.size));
            let kind = if size == self.page { 3 } else { 1 } | u64::from(size != leaf.size) << 52;
            let member = move |offset: u64| {
                json!([hex(start + offset), hex(size), hex(self.packed(leaf.pa + offset) | leaf.bits | kind)])
            };
            (0..leaf.size / size).map(move |index| member(index * size))
        };
        self.leaves.iter().flat_map(members).collect()
    }

    /// The leaves of a recorded table, page by page where they are runs, without execute-never of stage 2.
    pub(crate) fn recorded(&self, record: &Value) -> Vec<Value> {
        let mut leaves = Vec::new();
        for row in record["final"]["rows"].as_array().unwrap().iter().filter(|row| row[0] == "L") {
            let bits = u64::from(self.page.trailing_zeros()) - 3;
            let size = self.page << (bits * (3 - number(&row[1])));
            for index in 0..number(&row[3]) {
                let mut word = number(&row[4]);
                if self.page == 1 << 16 {
                    let pa = (word & 0xffff_ffff_0000 | word >> 12 << 60 >> 12) + index * size;
                    word = word & !0xffff_ffff_f000 | pa & 0xffff_ffff_0000 | pa >> 48 << 12;
                } else {
                    word += index * size;
                }
                leaves.push(json!([hex(number(&row[2]) + index * size), hex(size), hex(word)]));
            }
        }
        self.lenient(leaves)
    }

    /// Leaves without the bits in which a stage-2 execute-never may differ: 0b10 forbids always, 0b11 not with `XNX`.
    pub(crate) fn lenient(&self, leaves: Vec<Value>) -> Vec<Value> {
        let mask = if self.stage2 { !(3 << 53) } else { !0 };
        leaves.into_iter().map(|leaf| json!([leaf[0], leaf[1], hex(number(&leaf[2]) & mask)])).collect()
    }
}

pub(crate) fn hex(word: u64) -> Value {
    format!("{word:#x}").into()
}
