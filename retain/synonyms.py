"""What columns and files are called in the wild, in English and Chinese, for each table of the contract.

Names are compared after `plain`: lower case, no spaces or marks, no unit in brackets. The first names of a
list are the surest.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["COLUMN_NAMES", "FILE_NAMES", "plain"]

_CUSTOMER = (
    "customerid customer_no customernumber custid cust_no cust customer clientid client userid user "
    "memberid "
    "member memberno buyerid buyer accountid accountno shopperid customerkey customer_unique_id "
    "contactid uid "
    "customeremail email 客户编号 客户号 客户id 客户代码 客户编码 会员号 会员id 会员编号 会员卡号 买家id "
    "买家昵称 买家会员名 买家 用户id 用户编号 用户号 顾客编号 顾客id 客户 会员 用户 顾客"
)
_TIME = "time timestamp datetime date day createdat created"
_KNOWN = (
    "known_at arrivedat loadedat ingestedat arrivaltime receivedat etltime 到达时间 入库时间 数据到达时间"
)

COLUMN_NAMES: dict[str, dict[str, str]] = {
    "orders": {
        "customer_id": _CUSTOMER,
        "time": "order_time order_date orderdatetime ordered_at orderedon orderts order_timestamp "
        "purchase_date purchase_time purchased_at order_purchase_timestamp invoice_date invoicedatetime "
        "transaction_date transactiontime transactiondatetime transdate txndate txntime trans_time "
        "sale_date sales_date salesdate paid_at paymentdate payment_time paytime createdat created_at "
        f"createtime createdate {_TIME} dates orderday orderplaced placedat event_time "
        "下单时间 订单日期 订单时间 付款时间 支付时间 交易时间 交易日期 购买时间 购买日期 下单日期 "
        "成交时间 消费时间 "
        "消费日期 订单创建时间 订单付款时间 销售日期 创建时间 日期 时间",
        "amount": "amount order_amount line_amount lineamount linetotal line_total total_amount "
        "order_total "
        "ordertotal order_value ordervalue total totalprice total_price totalsales grand_total "
        "net_amount "
        "netamount netsales net_sales gross_amount sales salesamount sales_amount revenue turnover value "
        "paid_amount amountpaid payment payment_value paymentvalue payamount transaction_amount "
        "transactionamount transactionvalue trans_amount tranamount purchase_amount purchaseamount "
        "spend spent "
        "subtotal amt extended_price dollars "
        "实付金额 订单金额 支付金额 付款金额 实收金额 成交金额 交易金额 消费金额 销售金额 销售额 "
        "买家实际支付金额 "
        "订单实付金额 总金额 订单总额 订单总价 行金额 实付款 实付 应付金额 小计 总价 金额",
        "order_id": "order_id orderno order_number ordernumber ordernum invoice invoiceno invoice_id "
        "invoicenumber transaction_id transactionid transactionno txnid transid receipt receiptno "
        "receiptid "
        "basketid basket_id ticket ticketno order billno bill_id saleid sales_order "
        "订单号 订单编号 订单id 单号 交易号 交易编号 小票号 流水号 订单",
        "product": "product_id productid productcode product_code sku skuid sku_id itemid item_id "
        "itemcode "
        "itemno stockcode stock_code articleid article articleno upc ean barcode asin product item "
        "goodsid "
        "商品编码 商品编号 商品id 商品代码 产品编号 产品编码 产品id 货号 款号 商品 产品 商品名称 "
        "产品名称 "
        "productname product_name itemname",
        "category": "category product_category productcategory categoryname category_name "
        "department dept "
        "productline product_line producttype product_type itemcategory subcategory family "
        "品类 类目 商品类目 商品分类 产品类别 类别 分类 商品类别 一级类目",
        "quantity": "quantity qty units unitssold quantityordered order_quantity orderqty itemcount "
        "count "
        "pieces numitems num_items items 数量 购买数量 件数 商品数量 销量 购买件数 宝贝总数量",
        "unit_price": "unit_price unitprice price priceeach price_each itemprice item_price sellingprice "
        "list_price retailprice 单价 价格 售价 商品单价 销售单价 零售价 商品价格",
        "discount": "discount discount_amount discountamount discountvalue coupon_amount couponamount "
        "total_discount rebate 折扣金额 优惠金额 折扣 优惠 优惠券金额 减免金额 折让",
        "cost": "cost cogs unit_cost cost_of_goods costofgoods cost_amount costamount 成本 商品成本 "
        "成本金额 进价",
        "channel": "channel saleschannel sales_channel orderchannel order_source source platform "
        "store_type "
        "渠道 销售渠道 订单来源 平台 来源",
        "currency": "currency currencycode currency_code curr 币种 货币 货币代码",
        "returned": "returned is_return isreturn isreturned is_returned returnflag return_flag refunded "
        "is_refund isrefund 是否退货 退货 是否退款",
        "known_at": _KNOWN,
    },
    "customers": {
        "customer_id": _CUSTOMER,
        "joined_at": "joined_at joindate join_date joined signup_date signupdate signed_up_at signup "
        "registration_date registered_at registerdate registered_on createdat created_at customersince "
        "member_since acquired_at acquisition_date firstseen enrollment_date opened_at "
        "注册时间 注册日期 建档时间 开户日期 开户时间 入会时间 入会日期 加入时间",
        "region": "region country state city province area territory location geography market zip "
        "postcode "
        "地区 省份 城市 国家 区域 省 市 所在地 所在城市",
        "segment": "segment customer_segment customertype customer_type tier level grade memberlevel "
        "membership_level 分群 客户等级 会员等级 客户分群 客户类型 等级",
        "acquisition_channel": "acquisition_channel acquisitionchannel source_channel "
        "signup_channel source "
        "utm_source channel 获客渠道 来源渠道 注册渠道 来源",
        "acquisition_cost": "acquisition_cost acquisitioncost cac 获客成本",
        "opted_out": "opted_out optout opt_out unsubscribed donotcontact do_not_contact dnc nocontact "
        "拒绝联系 退订 是否退订 免打扰",
        "known_at": _KNOWN,
    },
    "contracts": {
        "customer_id": _CUSTOMER,
        "start": "start start_date startdate started_at contract_start contractstart subscription_start "
        "valid_from begin begindate activation_date effective_date 起始时间 开始时间 开始日期 "
        "生效日期 合同开始日期 "
        "开通时间 签约日期",
        "end": "end end_date enddate contract_end contractend valid_to valid_until expiry expiry_date "
        "expires_at expiration_date renewal_date 到期时间 结束时间 结束日期 到期日期 到期日 合同到期日",
        "cancelled_at": "cancelled_at canceled_at cancel_date canceldate cancellation_date terminated_at "
        "termination_date churn_date 取消时间 取消日期 退订时间 终止日期 解约日期",
        "contract_id": "contract_id contractid contractno contract subscription_id subscriptionid "
        "policyno "
        "合同编号 合同号 订阅编号 协议号",
        "plan": "plan plan_name planname package product tariff subscription_type 套餐 套餐名称 产品 版本",
        "monthly_charge": "monthly_charge monthlycharge monthlycharges monthly_fee mrr monthly_price "
        "月费 月租 月租费 每月费用",
        "known_at": _KNOWN,
    },
    "interactions": {
        "customer_id": _CUSTOMER,
        "time": "interaction_time contact_time contacted_at contact_date opened_at openedat created_at "
        f"createdat ticket_date complaint_date complaint_time calltime call_date event_time {_TIME} "
        "投诉时间 联系时间 来电时间 工单时间 创建时间 受理时间 互动时间 日期 时间",
        "kind": "kind type interaction_type contact_type event_type tickettype reason category topic "
        "类型 互动类型 工单类型 投诉类型 事件类型",
        "channel": "channel medium contact_channel 渠道 联系渠道",
        "direction": "direction inbound_outbound 方向 呼叫方向",
        "resolved_at": "resolved_at resolvedat resolution_time resolution_date closed_at closedat "
        "solved_at "
        "解决时间 关闭时间 完结时间 处理完成时间",
        "known_at": _KNOWN,
    },
    "surveys": {
        "customer_id": _CUSTOMER,
        "time": "survey_date survey_time answered_at responded_at response_date submitted_at created_at "
        f"{_TIME} 调查时间 提交时间 回答时间 评价时间 日期 时间",
        "score": "score satisfaction satisfaction_score satisfactionscore csat rating review_score "
        "满意度 评分 得分 分数 满意度评分",
        "expected": "expected expectation expected_score 期望值 期望 预期",
        "recommend": "recommend nps nps_score likelihood_to_recommend would_recommend 推荐意愿 净推荐值 推荐",
        "known_at": _KNOWN,
    },
    "campaigns": {
        "customer_id": _CUSTOMER,
        "time": "sent_at sentat send_time send_date contact_time contacted_at contact_date campaign_date "
        f"{_TIME} 发送时间 触达时间 推送时间 活动时间 日期 时间",
        "campaign_id": "campaign_id campaignid campaign campaign_name campaigncode 活动编号 活动id "
        "活动 活动名称 营销活动",
        "offer": "offer offer_name treatment incentive coupon promotion 优惠 优惠券 权益 礼品",
        "arm": "arm group variant test_group experiment_group ab_group 实验组 分组 组别",
        "cost": "cost contact_cost spend 成本 触达成本 费用",
        "channel": "channel medium 渠道 触达渠道",
        "known_at": _KNOWN,
    },
    "referrals": {
        "customer_id": f"referrer_id referrer referrerid referred_by {_CUSTOMER} 推荐人 推荐人编号 邀请人",
        "time": f"referred_at referral_date referral_time invited_at {_TIME} 推荐时间 邀请时间 日期 时间",
        "referred_id": "referred_id referredid referred referee referee_id referred_customer "
        "new_customer "
        "invitee 被推荐人 被推荐客户 被邀请人 新客户",
        "known_at": _KNOWN,
    },
}

FILE_NAMES: dict[str, str] = {
    "orders": "order transaction sales purchase invoice receipt lines basket 订单 交易 销售 消费 流水",
    "customers": "customer client member user account crm 客户 会员 用户 顾客",
    "contracts": "contract subscription policy polic 合同 订阅 合约 套餐",
    "interactions": "interaction contact complaint ticket service support call 投诉 客服 工单 互动 联系",
    "surveys": "survey satisfaction nps csat feedback review 调查 满意度 评价 问卷",
    "campaigns": "campaign marketing mailing promotion touch 营销 活动 触达 推送",
    "referrals": "referral refer invite 推荐 邀请",
}

_BRACKETS = re.compile(r"[(\[【(].*?[)\]】)]")
_MARKS = re.compile(r"[\W_]+")


def plain(name: str) -> str:
    """A name for comparing: NFKC, lower case, without brackets and their content, spaces and marks.

    Examples
    --------
    >>> plain("Customer ID"), plain("实付金额(元)"), plain("Price_Each")
    ('customerid', '实付金额', 'priceeach')
    """
    text = unicodedata.normalize("NFKC", name).lower()
    return _MARKS.sub("", _BRACKETS.sub("", text)) or _MARKS.sub("", text)
