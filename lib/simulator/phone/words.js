// The page's words in English and Chinese, chosen by the browser's language.

/** @typedef {Record<string, string>} Words */

/** @type {Words} */
const english = {
  title: 'A customer’s phone',
  hint: 'You are the customer. What you write here reaches the agents’ console through the gateway.',
  customer: 'Customer',
  page: 'Writes to',
  newCustomer: 'New customer',
  newCustomerName: 'Name of the new customer',
  conversation: 'Conversation',
  typing: 'The Page is typing',
  seen: 'Seen {time}',
  delivered: 'Sent',
  quickReplies: 'Quick replies',
  imageUrl: 'Address of the image',
  sendImage: 'Send',
  image: 'Send an image by its address',
  write: 'Message',
  send: 'Send',
  like: 'Send a thumbs-up',
  react: 'React',
  attachment: 'Attachment',
  sticker: 'Thumbs-up',
  edited: 'edited',
  fromInbox: 'from the Page inbox',
  empty: 'Say hello to {page}.',
  open: 'Connected',
  connecting: 'Connecting…',
  mood: 'Meta’s mood',
  moodHint: 'Let something go wrong and watch what the gateway makes of it.',
  nextSend: 'The Page’s next message',
  arm: 'Arm',
  armed: 'The next message meets: {fault}',
  webhooks: 'Webhooks',
  duplicate: 'Deliver twice',
  shuffle: 'Shuffle what waits',
  hold: 'Hold back',
  inbox: 'Answer from the Page inbox',
  failed: 'Not possible: {error}',
  'fault.lost_answer': 'Sent, the answer is lost',
  'fault.invalid_reply': 'Sent, error 1/1357046',
  'fault.reset': 'Sent, the connection breaks',
  'fault.window': 'Outside the window (10/2018278)',
  'fault.limit': 'Too many calls (613)',
  'fault.token': 'Token expired (190/463)',
  'fault.blocked': 'Person unavailable (551)',
  'fault.temporary': 'Server error 503',
  'fault.drop_echo': 'No echo',
  'fault.delay_echo': 'Echo ten seconds late',
  'fault.echo_first': 'Echo before the answer',
};

/** @type {Words} */
const chinese = {
  title: '客户的手机',
  hint: '您现在是客户。在这里写的内容会经过网关到达客服工作台。',
  customer: '客户',
  page: '发送给',
  newCustomer: '新建客户',
  newCustomerName: '新客户的姓名',
  conversation: '对话',
  typing: '主页正在输入',
  seen: '{time} 已读',
  delivered: '已发送',
  quickReplies: '快捷回复',
  imageUrl: '图片地址',
  sendImage: '发送',
  image: '按地址发送图片',
  write: '消息',
  send: '发送',
  like: '发送点赞',
  react: '回应',
  attachment: '附件',
  sticker: '点赞',
  edited: '已编辑',
  fromInbox: '来自主页收件箱',
  empty: '向 {page} 打个招呼吧。',
  open: '已连接',
  connecting: '正在连接…',
  mood: 'Meta 的状态',
  moodHint: '制造一个故障，看看网关如何应对。',
  nextSend: '主页的下一条消息',
  arm: '启用',
  armed: '下一条消息将遇到：{fault}',
  webhooks: 'Webhook',
  duplicate: '重复投递',
  shuffle: '打乱等待中的顺序',
  hold: '暂停投递',
  inbox: '从主页收件箱回复',
  failed: '无法完成：{error}',
  'fault.lost_answer': '已发送，但响应丢失',
  'fault.invalid_reply': '已发送，但返回错误 1/1357046',
  'fault.reset': '已发送，但连接中断',
  'fault.window': '超出消息窗口 (10/2018278)',
  'fault.limit': '调用过多 (613)',
  'fault.token': '令牌过期 (190/463)',
  'fault.blocked': '无法联系此人 (551)',
  'fault.temporary': '服务器错误 503',
  'fault.drop_echo': '没有回显',
  'fault.delay_echo': '回显延迟十秒',
  'fault.echo_first': '回显先于响应',
};

export const isChinese = navigator.language.toLowerCase().startsWith('zh');

/** @type {Words} */
const words = isChinese ? chinese : english;

/**
 * @param {string} name
 * @param {Record<string, string>} [values] for `{…}` in the sentence
 * @returns {string}
 */
export function say(name, values = {}) {
  const sentence = words[name] ?? name;
  return sentence.replace(/\{(\w+)\}/g, (_match, key) => values[key] ?? '');
}

/** Fills every element that names a word. */
export function fillWords() {
  document.documentElement.lang = isChinese ? 'zh' : 'en';
  for (const element of document.querySelectorAll('[data-word]')) {
    element.textContent = say(element.getAttribute('data-word') ?? '');
  }
  for (const element of document.querySelectorAll('[data-label]')) {
    const label = say(element.getAttribute('data-label') ?? '');
    element.setAttribute('aria-label', label);
    if (element instanceof HTMLButtonElement) element.title = label;
  }
  for (const element of document.querySelectorAll('[data-placeholder]')) {
    element.setAttribute('placeholder', say(element.getAttribute('data-placeholder') ?? ''));
  }
}
