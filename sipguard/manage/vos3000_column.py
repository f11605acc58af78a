"""The columns of VOS3000's exports: what they are called, in English and in Chinese, and what they are here.

From the manual (V2.1.x), not from a real export: the client lets people choose columns, and translations of
it differ. So every name that the manual and its translations use is known, whatever its case, blanks and
units in brackets; a column that is not known is told, never dropped silently.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What an export is about."""

    ACCOUNTS = "accounts"
    RATES = "rates"
    ROUTING = "routing-gateways"
    MAPPING = "mapping-gateways"
    PHONES = "phones"


@dataclass(frozen=True, slots=True)
class Columns:
    """Of one kind, by our name for them."""

    names: dict[str, str]
    """Every name that a column may have, in its plain form, to ours. Of two the first counts."""
    required: frozenset[str]


def plain(name: str) -> str:
    """A column's name without what differs from export to export."""
    bare = re.sub(r"[(（\[【].*?[)）\]】]", "", name)
    return re.sub(r"[\s_\-./:：'*]+", "", bare).lower()


def kind_of(header: Sequence[str]) -> Kind | None:
    """Which export has such a header; None where none has, or several have."""
    known = {
        kind: len({columns.names[plain(name)] for name in header if plain(name) in columns.names})
        for kind, columns in COLUMNS.items()
        if columns.required <= {columns.names.get(plain(name)) for name in header}
    }
    best = [kind for kind, count in known.items() if count == max(known.values())]
    return best[0] if len(best) == 1 else None


def _columns(required: str, **names: str) -> Columns:
    found = {plain(each): ours for ours, told in names.items() for each in told.split(",")}
    return Columns(found, frozenset(required.split()))


_LOCK = (
    "lock type,lock,locked,restriction type,restriction,status,account status,"
    "锁定类型,锁定,状态,账户状态,限制类型"
)
_MEMO = "memo,remark,remarks,note,备注"
_ACCOUNT = "account number,account id,account,belonging account,owner account,账户号码,帐户号码,所属账户,账户"
_LINES = (
    "number of channels,channels,line limit,lines,number of lines,capacity,concurrency,"
    "线路上限,线路数,并发上限,并发数"
)
_GATEWAY = "gateway id,gateway name,gateway,网关标识,网关名称,网关编号"
_PASSWORD = "password,gateway password,phone password,密码,话机密码,网关密码"  # noqa: S105  (a column)

COLUMNS = {
    Kind.ACCOUNTS: _columns(
        "id balance",
        id="account number,account id,account,账户号码,帐户号码,账号,账户",
        name="account name,name,账户名称,帐户名称",
        balance="balance,current balance,account balance,账户余额,帐户余额,余额,当前余额",
        credit="maximum credit,max credit,credit,credit limit,overdraft,over draft,overdraft limit,"
        "limit money,"
        "透支金额,透支额度,最大透支,透支限额,可透支金额",
        rate_group="billing rate,rate group,fee rate group,billing rate group,"
        "计费费率,费率组,所属费率组,费率",
        agent="agent account,agent,agent id,his agent,agency,belonging agent,"
        "所属代理,代理账户,代理商,上级代理,所属代理商",
        lock=_LOCK,
        kind="account type,type,账户类型,帐户类型,类型",
        valid_till="validity,valid until,valid date,expiry date,expiration date,expire time,"
        "有效期,有效期至,失效时间",
        memo=_MEMO,
        derived="daily consumption,today consumption,number of gateways,number of phones,"
        "number of cards in use,"
        "number of packages,package status,创建时间,create time,creation time,"
        "今日消费,网关数量,话机数量,绑定号码数量,套餐数量",
    ),
    Kind.RATES: _columns(
        "prefix rate",
        prefix="rate prefix,fee prefix,费率前缀,area prefix,地区前缀,prefix,前缀,area code,code,区号",
        destination="area name,area,region,destination,rate name,地区名称,地区,区域",
        rate="billing rate,rate,fee,price,unit price,计费费率,费率,单价",
        cycle="billing cycle,cycle,period,billing period,billing interval,计费周期,周期",
        group="rate group,rate group name,fee rate group,group,费率组,费率组名称,所属费率组",
        lock=_LOCK,
    ),
    Kind.ROUTING: _columns(
        "id host prefix",
        id=_GATEWAY,
        account="clearing account,settlement account," + _ACCOUNT + ",结算账户",
        host="ip address,ip addresses,ip,host,gateway ip,remote ip,peer address,"
        "ip地址,网关ip,远程ip,对端地址",
        port="signaling port,sip port,port,信令端口,端口",
        prefix="gateway prefix,prefix,prefixes,landing prefix,网关前缀,落地前缀,前缀",
        mode="prefix mode,gateway prefix mode,前缀模式,前缀匹配模式",
        priority="priority number,priority,优先级",
        lines=_LINES,
        lock=_LOCK,
    ),
    Kind.MAPPING: _columns(
        "id account",
        id=_GATEWAY,
        account=_ACCOUNT,
        host="ip address,ip addresses,ip,host,static ip,ip地址,静态ip",
        type="gateway type,type,register type,registration type,网关类型,注册类型,类型",
        password=_PASSWORD,
        lines=_LINES,
        lock=_LOCK,
    ),
    Kind.PHONES: _columns(
        "id account",
        id="phone number,phone id,phone,e164 number,e164,话机号码,话机标识,话机,电话号码",
        account=_ACCOUNT,
        password=_PASSWORD,
        lines=_LINES,
        lock=_LOCK,
        host="ip address,ip addresses,static ip,ip地址,静态ip",
    ),
}

ALL = frozenset(
    {
        *(
            "barringallcalls",
            "all",
            "lock",
            "locked",
            "disabled",
            "barringall",
            "allbarred",
            "forbidden",
        ),
        *("全部禁止", "禁止所有", "锁定", "已锁定", "停用"),
    }
)
"""Words of a lock by which nothing goes out or comes in."""
OUTGOING = frozenset({"calloutbarring", "barringoutgoing", "outgoing", "禁止呼出", "禁止主叫"})
"""By which nothing goes out alone."""
INCOMING = frozenset({"callinbarring", "barringincoming", "incoming", "禁止呼入", "禁止被叫"})
"""By which nothing comes in alone."""
FREE = frozenset(
    {
        *(
            "",
            "norestriction",
            "none",
            "nolock",
            "notlocked",
            "unlocked",
            "unlock",
            "normal",
            "enabled",
            "active",
        ),
        *("无限制", "不限制", "未锁定", "无锁定", "不锁定", "正常", "启用"),
    }
)
CLEARING = frozenset({"clearingaccount", "clearing", "settlementaccount", "settlement", "结算账户", "结算"})
CONTINUE = frozenset({"continue", "carrythrough", "延续", "继续", "穿透"})
TERMINATE = frozenset({"", "terminate", "end", "终止", "结束"})
DYNAMIC = frozenset({"dynamic", "register", "registration", "动态", "注册"})
STATIC = frozenset({"", "static", "静态"})
