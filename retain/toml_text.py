"""The commented ``retain.toml`` that ``retain init`` writes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from features.contract import TABLES

__all__ = ["TableText", "Wishes", "configuration_text"]


@dataclass(frozen=True)
class TableText:
    """One ``[data.TABLE]`` section: files, mapping, how surely each column was found, how to read it."""

    table: str
    paths: tuple[str, ...]
    columns: Mapping[str, str]
    comments: Mapping[str, str] = field(default_factory=dict)
    unused: tuple[str, ...] = ()
    reading: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Wishes:
    """What the user said, or what was found, about the business and the run.

    ``window_reason`` says where the churn window came from.
    """

    window_days: int = 90
    window_reason: str = "no orders were read; 90 days is a common start"
    horizons_days: tuple[int, ...] = (30, 90, 180, 365)
    as_of: str = "auto"
    out_dir: str = "retain-out"
    timezone: str = "UTC"
    currency: str = ""
    country: str = ""
    margin_rate: float = 0.3
    decimal_comma: bool = False


def configuration_text(wishes: Wishes, tables: Sequence[TableText]) -> str:
    """The whole file.

    Parameters
    ----------
    wishes : Wishes
        Values of the run.
    tables : sequence of TableText
        What was found, in the contract's order.

    Returns
    -------
    str
        TOML that `retain.config.parse_config` accepts.
    """
    parts = [
        _HEAD.format(
            timezone=_quoted(wishes.timezone),
            currency=_quoted(wishes.currency),
            country=_quoted(wishes.country),
            decimal=_quoted("," if wishes.decimal_comma else "."),
            thousands=_quoted("." if wishes.decimal_comma else ","),
        ),
        *(_table_text(table) for table in tables),
        _TAIL.format(
            window_reason=wishes.window_reason,
            window_days=wishes.window_days,
            horizons=", ".join(map(str, wishes.horizons_days)),
            margin_rate=wishes.margin_rate,
            as_of=_quoted(wishes.as_of) if wishes.as_of == "auto" else wishes.as_of,
            out_dir=_quoted(wishes.out_dir),
        ),
    ]
    return "\n".join(parts)


def _table_text(text: TableText) -> str:
    contract = TABLES[text.table]
    paths = ", ".join(map(_quoted, text.paths))
    lines = [f"[data.{text.table}]  # {contract.en} · {contract.zh}"]
    lines.append(f"path = {paths}" if len(text.paths) == 1 else f"path = [{paths}]")
    lines += [f"{key} = {_quoted(value)}" for key, value in text.reading.items()]
    lines += ["", f"[data.{text.table}.columns]  # our name = your name · 我方列名 = 您的列名"]
    for column in contract.columns:
        if column.name in text.columns:
            note = text.comments.get(column.name, "")
            tail = f"{column.en} · {column.zh}" + (f" ({note})" if note else "")
            lines.append(f"{column.name} = {_quoted(text.columns[column.name])}  # {_one_line(tail)}")
    absent = [c.name for c in contract.columns if c.name not in text.columns]
    if absent:
        lines.append(f"# not found · 未找到: {', '.join(absent)}")
    if text.unused:
        lines.append(f"# columns not used · 未使用的列: {_one_line(', '.join(text.unused))}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    # JSON strings are TOML basic strings, except that TOML forbids a raw DEL.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


_HEAD = """\
# Retain: what it reads, predicts and writes. Written by `retain init`; every line may be changed.
# Retain 配置文件,由 `retain init` 生成,可自由修改。`retain check` 检查数据,`retain config` 显示生效的配置。
schema = 1

[data]
# Business zone: days begin and end here · 营业时区,按此划分日期
timezone = {timezone}
# Currency of all amounts · 所有金额的币种
currency = {currency}
# Country whose public holidays count, e.g. "GB"; "" for none · 计入哪个国家的法定节假日
country = {country}
# Marks in numbers written as text: 1,234.50 · 数字的小数点与千分位
decimal = {decimal}
thousands = {thousands}
# Rows that equal an earlier row in every column: "keep" or "drop" · 完全重复的行:保留或丢弃
exact_duplicates = "keep"
"""

_TAIL = """\
[churn]
# A customer has churned when no order falls into this many days · 连续多少天没有订单即视为流失
# {window_reason}
window_days = {window_days}

[value]
# Horizons of the value forecast, in days · 价值预测的时间范围(天)
horizons_days = [{horizons}]
# Margin as a share of revenue, used where orders carry no cost · 毛利率(订单无成本时使用)
margin_rate = {margin_rate}
# Discount rate per year · 年贴现率
discount_rate = 0.1

[run]
# Everything before this day is past; "auto" is the day after the last order
# 此日之前为历史;"auto" 表示最后一笔订单的次日
as_of = {as_of}
seed = 20260101
num_threads = 2

[paths]
# Models, runs, lists and the store; relative to this file · 输出目录(相对本文件)
out_dir = {out_dir}

[tracking]
# MLflow; without uri a SQLite file in out_dir. MLFLOW_TRACKING_URI in the environment wins · 实验跟踪
# uri = "http://127.0.0.1:5000"
experiment = "retain"
model_name = "retain"

[serving]
# The endpoint; beyond this machine it needs keys: `retain keys add --role score` · 预测服务;对外开放前须先创建密钥
host = "127.0.0.1"
port = 3000
# Processes that answer, about one per core · 应答进程数,约每核一个
workers = 1
# Seconds between two looks for a new champion in MLflow; 0: not fetched by the endpoint · 从 MLflow 拉取新模型的间隔(秒)
pull_seconds = 0
# Keep each customer's rows beside the list, so that a score by id knows what was told since
# 保留每位客户的明细,使按编号查询的得分计入名单之后的新事件
histories = true

[strategies]
# Share of customers called high in value; multiples of the churn window until lapsed and lost
# 高价值客户占比;距上次下单为流失窗口的几倍时视为沉睡、流失
high_value_share = 0.2
lapsed_after = 1.0
lost_after = 2.0
high_risk = 0.7
# Files of your own, TOML or CSV; `retain config --strategies` and `--offers` print what to start from
# 自己的策略表与措施目录(TOML 或 CSV),可用上述命令导出默认内容后修改
# table = "strategies.toml"
# offers = "offers.toml"
# Attributes that must not decide who gets what, besides region and segment · 除地区、分群外不得影响决策的属性
# protected = ["age"]

# What can be done for a customer, one section per offer, where no file is named · 可采取的措施,每项一节
# [offers.coupon_10]
# channel = "email"
# cost = 3.0             # per customer, in the currency above · 每位客户的成本
# strategies = ["reactivate", "win_back"]  # for whom; left out, for all · 适用的策略
# cool_down_days = 30    # since the last campaign contact · 距上次营销触达的天数
# assumed_effect = 0.1   # share of the value at stake it saves where nothing was measured yet · 假定效果
# strength = 50          # customers that the assumption counts for · 假定相当于多少客户的证据
# touches_price = true   # must be said of an offer that speaks of a price · 涉及价格必须注明
# text_en = "10 % off the next order"
# text_zh = "下单立减10%"
# Limits and costs that the offers of one channel share · 渠道的容量与成本
# [channels.phone]
# capacity = 200         # contacts of one run · 每次运行的触达上限
# cost = 4.0             # per contact · 每次触达的成本
"""
